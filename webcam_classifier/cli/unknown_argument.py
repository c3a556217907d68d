"""The --unknown option, which sets when a model says unknown; the same in every command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from webcam_classifier.model_card import UNKNOWN_LEVELS, UNKNOWN_NORMAL, UNKNOWN_OFF

_NAME = "--unknown"


def add_unknown_argument(parser: argparse.ArgumentParser) -> None:
    """Add --unknown and --no-unknown; if neither is given, the value is None.

    Args:
        parser: A parser of what `with_unknown_level` returns.
    """
    parser.add_argument(
        _NAME,
        choices=UNKNOWN_LEVELS,
        help="when to show unknown: normal, where a picture is unlike all training pictures, with "
        "room for other people and places; strict, without that room, where it is unlike the "
        f"recordings themselves; off, never (default: {UNKNOWN_NORMAL}; --unknown alone is normal)",
    )
    parser.add_argument(
        "--no-unknown",
        dest="unknown",
        action="store_const",
        const=UNKNOWN_OFF,
        help="the same as --unknown off: always show a label",
    )


def with_unknown_level(arguments: Sequence[str] | None) -> list[str]:
    """Insert the level if --unknown has none, as in `live.py --unknown models/cups`.

    Args:
        arguments: The arguments; None takes those of the process.
    """
    written = list(sys.argv[1:] if arguments is None else arguments)
    return [
        f"{_NAME}={UNKNOWN_NORMAL}"
        if one == _NAME and (written[place + 1 :] or [""])[0] not in UNKNOWN_LEVELS
        else one
        for place, one in enumerate(written)
    ]
