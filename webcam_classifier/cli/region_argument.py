"""The --region option: a name, a model file, and optionally a part of the picture."""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from webcam_classifier.crop import CropArgument, parse_crop
from webcam_classifier.visible_text import hidden_characters

_LONGEST_NAME = 64  # letters
_FORBIDDEN = "/+#=:\\"  # they have a meaning in MQTT topics or in this option
_NUMBERS = re.compile(r"[-+\d.,\s]+")  # the characters of a part of the picture


@dataclass(frozen=True)
class RegionArgument:
    """A region from the command line.

    Attributes:
        name: What events call it.
        model: A model file or its folder.
        crop: The part of the picture; None is the part that the model was trained on.
    """

    name: str
    model: Path
    crop: CropArgument | None


def add_region_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--region",
        action="append",
        default=[],
        type=_read,
        metavar="NAME=MODEL[:LEFT,TOP,WIDTH,HEIGHT]",
        help="label a part of the picture with its own model, instead of MODEL; give it "
        "once for each part. Without numbers it is the part that the model was trained on. "
        "Events, lines and topics carry NAME",
    )


def check_region_arguments(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the command if two regions have the same name, or an option does not go with regions.

    Args:
        parser: Prints the error.
        options: The options it has parsed.
    """
    regions: Sequence[RegionArgument] = options.region
    if not regions:
        return
    names = [region.name.casefold() for region in regions]
    for place, name in enumerate(names):
        if name in names[:place]:
            parser.error(
                f"--region {regions[place].name} is given twice: give each region another name"
            )
    useless = {
        f"MODEL ({options.model})": options.model is not None,
        "--teach": options.teach is not None,
        "--models": options.models is not None,
        "--explain": options.explain,
        "--keep-uncertain": options.keep_uncertain is not None,
    }
    for name, is_given in useless.items():
        if is_given:
            parser.error(f"{name} is for one model: leave it or --region out")
    if options.crop is not None:
        parser.error(
            "--crop is for one model: write the part behind each region's model, as in "
            "--region gate=models/gate:0.25,0,0.5,1"
        )
    if options.top is not None:
        parser.error("--region shows each region's label, so --top has no effect: leave it out")


def _read(text: str) -> RegionArgument:
    name, equals, rest = text.partition("=")
    if not name or not equals or not rest:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=MODEL or NAME=MODEL:LEFT,TOP,WIDTH,HEIGHT, such as "
            "gate=models/gate:0.25,0,0.5,1"
        )
    name = unicodedata.normalize("NFC", name)
    problem = _name_problem(name)
    if problem is not None:
        raise argparse.ArgumentTypeError(
            f"the region's name {name!r} {problem}: choose another one, such as gate"
        )
    model, colon, numbers = rest.rpartition(":")
    if not colon or not model or not _NUMBERS.fullmatch(numbers) or Path(rest).exists():
        return RegionArgument(
            name, Path(rest), None
        )  # the colon may belong to the path, as in C:\models
    try:
        crop = parse_crop(numbers)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"region {name}: {error}") from error
    return RegionArgument(name, Path(model), replace(crop, option=f"--region {name}:"))


def _name_problem(name: str) -> str | None:
    """Return why a name can't be used in topics and on the terminal; None if it can."""
    forbidden = [letter for letter in name if letter in _FORBIDDEN]
    if forbidden:
        return f"has {forbidden[0]!r} in it"
    if hidden_characters(name):
        return "has an invisible character in it"
    if name != name.strip():
        return "begins or ends with a space"
    if len(name) > _LONGEST_NAME:
        return f"has more than {_LONGEST_NAME} letters"
    return None
