"""Names commands as this installation has them: `python train.py`, or `teach-camera train`.

Texts are written with the scripts of a checkout. What a person is told to type must exist where
they read it, and an installed package has no scripts beside it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

PROGRAM = "teach-camera"
"""The one command of an installed package, and the package's name on a package index."""

SCRIPTS = ("collect", "train", "evaluate", "live", "studio", "demo")
"""Commands that a checkout has a script for; `export` is a module there."""

_CHECKOUT = Path(__file__).resolve().parents[1]
_SCRIPT = re.compile(rf"\bpython ({'|'.join(SCRIPTS)})\.py\b")
_BARE_SCRIPT = re.compile(rf"(?<![\w./-])({'|'.join(SCRIPTS)})\.py\b")
_INSTALL = (
    ("pip install -r requirements-studio.txt", f"pip install '{PROGRAM}[studio]'"),
    ("pip install -r requirements.txt", f"pip install '{PROGRAM}[finetune]'"),
)


def is_checkout() -> bool:
    """Whether the package is run from its source tree, with the scripts beside it."""
    return (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "train.py").is_file()


def as_installed(text: str) -> str:
    """Replace a checkout's commands in a text by those of an installed package, where it is one.

    Args:
        text: With commands as a checkout has them, such as `python train.py pictures/`.
    """
    return text if is_checkout() else of_package(text)


def typed(path: Path | str) -> str:
    """Return a path as it is typed in a command: in quotes where it has a space, say.

    >>> typed("models/cup"), typed("my models/cup")
    ('models/cup', "'my models/cup'")
    """
    return shlex.quote(str(path))


def install_command(extra: str) -> str:
    """Return the command that installs an optional part.

    Args:
        extra: Its name, such as `studio`.
    """
    return f"pip install '{'.' if is_checkout() else PROGRAM}[{extra}]'"


def of_package(text: str) -> str:
    """Replace a checkout's commands in a text by those of an installed package.

    >>> of_package("Run `python train.py --mode head`, then python -m export models/cup.")
    'Run `teach-camera train --mode head`, then teach-camera export models/cup.'
    """
    text = _SCRIPT.sub(rf"{PROGRAM} \1", text)
    text = text.replace("python -m export", f"{PROGRAM} export")
    text = text.replace("python -m webcam_classifier.cli", PROGRAM)
    text = _BARE_SCRIPT.sub(rf"{PROGRAM} \1", text)
    for ours, theirs in _INSTALL:
        text = text.replace(ours, theirs)
    return text
