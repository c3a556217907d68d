"""Command-line arguments that name output files, the same for every script."""

from __future__ import annotations

import argparse
from pathlib import Path

MODELS = Path("models")
"""The folder where models are written and looked for, each in a folder named after its data set."""


def output_file(text: str) -> Path:
    """Parse the name of a file that will be written.

    Raises:
        argparse.ArgumentTypeError: It is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; name a file")
    return Path(text)


def output_file_or_standard_output(text: str) -> str:
    """Parse the name of a file that will be written; `-` is standard output.

    Raises:
        argparse.ArgumentTypeError: It is empty.
    """
    return text if text == "-" else str(output_file(text))


def model_folder(output: Path | None, dataset: Path) -> Path:
    """Return the folder that a model is written to.

    Args:
        output: From `--output`; None takes a folder in models/ with the data set's name.
        dataset: The folder of the pictures.
    """
    return output or MODELS / (dataset.resolve().name or "model")
