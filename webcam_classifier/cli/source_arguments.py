"""The command-line arguments for the source of pictures, the same for every script."""

from __future__ import annotations

import argparse

from webcam_classifier.camera.protocol import CaptureSettings
from webcam_classifier.camera.source_names import SOURCE_KINDS
from webcam_classifier.cli.number_arguments import parse_number

_SMALLEST, _LARGEST = 16, 8192  # pixels


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --source, --camera-size, --camera-rate and --give-up to a script's arguments.

    Args:
        parser: The parser of the script; the list of sources is added to its epilog.
    """
    asked = CaptureSettings()
    group = parser.add_argument_group("source of pictures")
    group.add_argument(
        "--source",
        default="0",
        metavar="SOURCE",
        help="where the pictures come from: see the list below (default: %(default)s)",
    )
    group.add_argument(
        "--camera-size",
        type=_parse_size,
        default=(asked.width, asked.height),
        metavar="WIDTHxHEIGHT",
        help=f"size to request from a camera, in pixels (default: {asked.width}x{asked.height})",
    )
    group.add_argument(
        "--camera-rate",
        type=_parse_rate,
        default=asked.frames_per_second,
        metavar="RATE",
        help="frames a second to request from a camera (default: %(default)g)",
    )
    group.add_argument(
        "--give-up",
        type=_parse_seconds,
        metavar="SECONDS",
        help="end with an error when a camera or stream has given no picture for this long, after "
        "it gave some (default: never; it is reopened until it comes back)",
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    before = f"{parser.epilog}\n\n" if parser.epilog else ""
    parser.epilog = f"{before}sources:\n{SOURCE_KINDS}"


def capture_settings(arguments: argparse.Namespace) -> CaptureSettings:
    """Return the capture settings from the parsed arguments.

    Args:
        arguments: From a parser with `add_source_arguments`.
    """
    width, height = arguments.camera_size
    return CaptureSettings(width, height, arguments.camera_rate, arguments.give_up)


def _parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write it like 640x480")
    size = int(width), int(height)
    if min(size) < _SMALLEST or max(size) > _LARGEST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is out of range; each side is {_SMALLEST} to {_LARGEST} pixels"
        )
    return size


def _parse_seconds(text: str) -> float:
    seconds = parse_number(text)
    if not 0 < seconds < float("inf"):  # false for "nan" too
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write seconds, such as 60")
    return seconds


def _parse_rate(text: str) -> float:
    rate = parse_number(text)
    if not 0.1 <= rate <= 1000:  # false for "nan" too
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a rate; write frames a second, such as 30"
        )
    return rate
