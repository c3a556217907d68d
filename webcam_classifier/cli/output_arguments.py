"""Command-line arguments that name a file to be written, the same for every script."""

from __future__ import annotations

import argparse
from pathlib import Path


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
