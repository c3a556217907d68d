"""The command-line arguments that the commands for recording share."""

from __future__ import annotations

import argparse
from pathlib import Path

from webcam_classifier.camera.video_file import file_rate
from webcam_classifier.cli.number_arguments import parse_count, parse_number
from webcam_classifier.errors import UserError

DATASET = Path("dataset")
RATE = 8.0  # snapshots a second while a label is recorded; more would be near duplicates

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
    """Parse a rate of snapshots a second, 0.01 to 1000."""
    rate = parse_number(text)
    if not _SLOWEST <= rate <= _FASTEST:  # false for "nan" too
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a rate; write snapshots a second, such as {RATE:g}"
        )
    return rate


def parse_every(text: str) -> int | float:
    """Parse an interval: a whole number of frames, or seconds such as `0.5` or `2s`."""
    if text.isdecimal():
        return parse_count(text)
    seconds = parse_number(text.removesuffix("s"))
    if not 0.001 <= seconds <= 86_400:  # false for "nan" too
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a whole number of frames nor seconds; write 10, 0.5 or 2s"
        )
    return seconds


def frames_between(every: int | float | None, source: str) -> int:
    """Convert an interval of `parse_every` into a number of frames of a video.

    Args:
        every: A whole number of frames, seconds as a float, or None for every frame.
        source: The video.

    Returns:
        1 takes every frame, 5 every fifth.

    Raises:
        UserError: Seconds were given, and the source does not say how fast it plays.
    """
    if not isinstance(every, float):
        return every or 1
    rate = file_rate(source) if Path(source).expanduser().is_file() else None
    if rate is None:
        raise UserError(
            f"{source} does not say how many frames it plays in a second, so --every can't count "
            "seconds. Give a whole number of frames, such as --every 10."
        )
    return max(1, round(every * rate))
