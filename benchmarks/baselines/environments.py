"""Virtual environments for baselines that have no place among the project's requirements."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_MARKER = "installed.json"  # written when all is in place: a half-made environment has none


class EnvironmentFailedError(Exception):
    """An environment can't be made; the message says why."""


@dataclass(frozen=True)
class Environment:
    """What a baseline needs.

    Attributes:
        name: The folder's.
        requirements: Pinned packages.
        gigabytes: About how large it gets, to be said before it is made.
    """

    name: str
    requirements: tuple[str, ...]
    gigabytes: float


FASTAI = Environment(
    "fastai", ("fastai==2.8.12", "torch==2.14.1", "torchvision==0.29.1"), gigabytes=6.0
)
MEDIAPIPE = Environment("mediapipe", ("mediapipe==0.10.14", "scikit-learn==1.9.1"), gigabytes=1.2)


def environment_python(environment: Environment, folder: Path) -> Path:
    """Return an environment's interpreter, and make the environment first where there is none.

    Args:
        environment: Which.
        folder: Where environments are kept.

    Raises:
        EnvironmentFailedError: It can't be made: no network, no room, or no wheel for this Python.
    """
    place = folder / environment.name
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    marker = place / _MARKER
    wanted = list(environment.requirements)
    if marker.is_file() and json.loads(marker.read_text()) == wanted and python.exists():
        return python
    print(
        f"installing {', '.join(wanted)} into {place}, once: about {environment.gigabytes:g} GB",
        file=sys.stderr,
    )
    _run([sys.executable, "-m", "venv", "--clear", str(place)])
    _run([str(python), "-m", "pip", "install", "--quiet", *wanted])
    marker.write_text(json.dumps(wanted))
    megabytes = sum(file.lstat().st_size for file in place.rglob("*")) / 1e6
    print(f"installed {megabytes:.0f} MB in {place}", file=sys.stderr)
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise EnvironmentFailedError(
            f"`{' '.join(command)}` failed: {said[-1] if said else 'silently'}"
        )
