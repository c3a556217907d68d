"""What the commands that record have in common on their command lines."""

from __future__ import annotations

import argparse
from pathlib import Path

DATASET = Path("dataset")
RATE = 8.0  # snapshots a second while a label is recorded: more are near duplicates of each other

_SLOWEST, _FASTEST = 0.01, 1000  # snapshots a second


def add_dataset_argument(parser: argparse.ArgumentParser) -> None:
    """Add --dataset."""
    parser.add_argument(
        "--dataset",
        type=Path,
        default=DATASET,
        metavar="FOLDER",
        help="where the labels' folders are (default: %(default)s)",
    )


def parse_rate(text: str) -> float:
    """Read snapshots a second, 0.01 to 1000."""
    rate = parse_number(text)
    if not _SLOWEST <= rate <= _FASTEST:  # false for "nan" too
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a rate; write snapshots a second, such as {RATE:g}"
        )
    return rate


def parse_count(text: str) -> int:
    """Read a whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def parse_number(text: str) -> float:
    """Read a number; what is none gives -1, which no range of an option holds."""
    try:
        return float(text)
    except ValueError:
        return -1.0
