"""The command-line arguments for the source of pictures, the same for every script."""

from __future__ import annotations

import argparse
import sys

from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import Camera, CaptureSettings
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


def open_source(arguments: argparse.Namespace) -> Camera:
    """Open the source of pictures, and say which settings a file or folder leaves without effect.

    Args:
        arguments: From a parser with `add_source_arguments`.

    Raises:
        CameraError: It can't be opened; the text says why and what to do.
    """
    settings, default = capture_settings(arguments), CaptureSettings()
    camera = open_camera(arguments.source, settings)
    asked = {
        "--camera-size": (settings.width, settings.height) != (default.width, default.height),
        "--camera-rate": settings.frames_per_second != default.frames_per_second,
        "--give-up": arguments.give_up is not None,
    }
    without_effect = [name for name, is_given in asked.items() if is_given]
    if without_effect and not camera.is_live:
        have = "has" if len(without_effect) == 1 else "have"
        print(
            f"note: {' and '.join(without_effect)} {have} no effect: this is no camera or stream, "
            "but files, which are read as they are",
            file=sys.stderr,
        )
    return camera


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
