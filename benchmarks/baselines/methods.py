"""The methods that are compared: what runs each, in which environment, and about how long."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.baselines.environments import FASTAI, MEDIAPIPE, Environment

_ROOT = Path(__file__).resolve().parents[2]

# Packages and modules of ours that have no say in what is learnt, so that changing them keeps what
# was measured; by the beginning of their names.
_WITHOUT_SAY = ("camera", "collect", "display", "export", "live", "recorder", "report",
                "snapshot_quality", "teaching", "ui", "web")  # fmt: skip


@dataclass(frozen=True)
class Method:
    """A way of learning from labelled pictures.

    Attributes:
        name: For the command line.
        title: For the table.
        module: Run as `python -m module JOB ANSWER`.
        environment: What it runs in; None for the benchmark's own interpreter.
        sources: The files that decide its answers, as patterns below the checkout.
        is_seeded: Whether chance has a part in it; else one seed is enough.
        start: Expected seconds before and after all that depends on the number of pictures.
        each_training: Expected seconds for each training picture, on two cores.
        each_test: Likewise for each test picture.
    """

    name: str
    title: str
    module: str
    environment: Environment | None
    sources: tuple[str, ...]
    is_seeded: bool
    start: float
    each_training: float
    each_test: float

    @property
    def is_ours(self) -> bool:
        """Whether it is this project."""
        return self.module.endswith(".ours")

    def source_files(self) -> list[Path]:
        """The files that decide its answers, sorted within each pattern of `sources`."""
        files = [path for pattern in self.sources for path in sorted(_ROOT.glob(pattern))]
        return [
            path
            for path in files
            if not any(part.startswith(_WITHOUT_SAY) for part in path.relative_to(_ROOT).parts[1:])
        ]

    def source_hash(self) -> str:
        """The sha256 of the code that decides its answers, without comments and docstrings."""
        content = hashlib.sha256()
        for path in self.source_files():
            content.update(_code(path))
        if self.environment is not None:
            content.update(repr(self.environment.requirements).encode())
        return content.hexdigest()


_OURS = ("train.py", "webcam_classifier/**/*.py", "benchmarks/baselines/ours.py")
_TORCH = "benchmarks/baselines/torchvision_parts.py"

METHODS = (
    Method("probe", "linear probe", "benchmarks.baselines.linear_probe", None,
           ("benchmarks/baselines/linear_probe.py", _TORCH), False, 6, 0.03, 0.02),
    Method("probe-scaled", "probe, standardised", "benchmarks.baselines.linear_probe", None,
           ("benchmarks/baselines/linear_probe.py", _TORCH), False, 6, 0.03, 0.02),
    Method("mediapipe", "MediaPipe hands", "benchmarks.baselines.mediapipe_hands", MEDIAPIPE,
           ("benchmarks/baselines/mediapipe_hands.py",), False, 4, 0.05, 0.05),
    Method("fastai", "fastai fine_tune", "benchmarks.baselines.fastai_fine_tune", FASTAI,
           ("benchmarks/baselines/fastai_fine_tune.py", _TORCH),
           True, 10, 0.5, 0.02),
    Method("notebook", "notebook recipe", "benchmarks.baselines.notebook", None,
           ("benchmarks/baselines/notebook.py", _TORCH),
           True, 6, 1.2, 0.02),
    Method("head", "ours, head", "benchmarks.baselines.ours", None, _OURS, True, 4, 0.03, 0.02),
    Method("finetune", "ours, fine-tuned", "benchmarks.baselines.ours", None, _OURS, True,
           10, 0.7, 0.02),
)  # fmt: skip
"""In the table's order: baselines first."""


def _code(path: Path) -> bytes:
    """A file's code without what only people read."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                first.value.value = ""
    return ast.dump(tree).encode()
