"""Command-line arguments that name what is written, the same for every script."""

from __future__ import annotations

import argparse
from pathlib import Path

MODELS = Path("models")
"""Where models are written and looked for, each in a folder with its data set's name."""


def output_file(text: str) -> Path:
    """Take the name of a file that is going to be written.

    Raises:
        argparse.ArgumentTypeError: It is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; name a file")
    return Path(text)


def output_file_or_standard_output(text: str) -> str:
    """As `output_file`, but `-` is the standard output.

    Raises:
        argparse.ArgumentTypeError: It is empty.
    """
    return text if text == "-" else str(output_file(text))


def model_folder(output: Path | None, dataset: Path) -> Path:
    """Return the folder that a model is written to.

    Args:
        output: As `--output` names it; None takes one with the data set's name.
        dataset: The folder of pictures that is learnt from.
    """
    return output or MODELS / (dataset.resolve().name or "model")
