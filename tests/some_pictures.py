"""Some of the pictures of a data set, where all would take long."""

from __future__ import annotations

import shutil
from pathlib import Path


def copy_some(source: Path, target: Path, step: int) -> None:
    """Copy every `step`-th picture of each label.

    Args:
        source: One folder a label.
        target: Made, likewise.
        step: 2 copies half.
    """
    for label in sorted(source.glob("[!.]*")):  # hidden folders are no labels
        (target / label.name).mkdir(parents=True)
        for file in sorted(label.iterdir())[::step]:
            shutil.copyfile(file, target / label.name / file.name)
