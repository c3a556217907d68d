"""The options of `train`, and which of them go together."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from webcam_classifier.backbone.load import (
    DEFAULT_BACKBONE,
    DEFAULT_INPUT_SIZE,
    WITHOUT_TORCH,
    is_only_frozen,
    usual_input_size,
)
from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.crop_argument import add_crop_argument
from webcam_classifier.cli.list_recipes import ListRecipes
from webcam_classifier.cli.number_arguments import parse_count, parse_number
from webcam_classifier.cli.output_arguments import output_file
from webcam_classifier.finetune.distributed import world_size
from webcam_classifier.finetune.recipes import RECIPES, find_recipe
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.training.auto_mode import DEFAULT_MINUTES
from webcam_classifier.training.choose_backbone import HALF_A_FRAME

AUTO = "auto"  # instead of the name of a network


def build_train_parser(description: str) -> CommandParser:
    """Build the parser of the command.

    Args:
        description: What it does, with examples.
    """
    parser = CommandParser(description)
    add = parser.add_argument
    add(
        "dataset",
        type=Path,
        nargs="?",
        default=Path("dataset"),
        help="pictures, in one folder for each label (default: dataset)",
    )
    add(
        "--backbone",
        default=DEFAULT_BACKBONE,
        metavar="NAME",
        help="the pretrained network: squeezenet1_1 (default), efficientnet_lite0, _lite1 or "
        "_lite2, or with torch by its torchvision name: alexnet, resnet18, mobilenet_v2, ..., or "
        "one of timm's: timm/mobilenetv4_conv_small, ...; squeezenet1_1+efficientnet_lite0 joins "
        "two of the same input size; auto compares those that need no torch on your pictures and "
        "this device, and takes the best; several names with commas between compare these",
    )
    add(
        "--latency",
        type=_time,
        metavar="MS",
        help="with --backbone auto or several names: the most milliseconds that one picture may "
        f"take (default: {HALF_A_FRAME:.1f}, half a frame of thirty a second)",
    )
    add(
        "--mode",
        choices=("auto", "head", "finetune"),
        default="auto",
        help="auto (default): a head, and fine-tuning where it measurably helps and there is "
        "time; head: freeze the network and fit a classifier on its features, in seconds and "
        "without torch; finetune: train its layers too, in minutes and with torch",
    )
    add(
        "--minutes",
        type=_time,
        metavar="N",
        help="time that auto may take to train layers (default: none where a head does well, "
        f"else {DEFAULT_MINUTES:g})",
    )
    add(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to write (default: models/ and the data set's name)",
    )
    add(
        "--input-size",
        type=_size,
        metavar="PIXELS",
        help="side of the square picture that the network sees (default: what it was trained on, "
        f"{DEFAULT_INPUT_SIZE} for most); smaller is faster, larger sees smaller things",
    )
    add(
        "--epochs",
        type=parse_count,
        metavar="N",
        help="passes over the pictures when fine-tuning (default: chosen for the mode)",
    )
    add(
        "--batch-size",
        type=parse_count,
        metavar="N",
        help="pictures for one step of fine-tuning, of all processes together (default: "
        f"{FinetuneSettings.batch_size}); where memory is short gradients are accumulated over "
        "parts of it, to the same result",
    )
    add(
        "--patience",
        type=parse_count,
        metavar="N",
        help="stop fine-tuning after N epochs without a lower validation loss (default: never)",
    )
    add(
        "--interpolation-weight",
        type=_interpolation_weight,
        metavar="SHARE",
        help="how far fine-tuning goes from the head to the trained network, above 0, to 1, which "
        "keeps the trained network in any case (default: chosen on left-out pictures, 0 included)",
    )
    add(
        "--resume",
        action="store_true",
        help="continue an interrupted fine-tuning, to the same result as without the interruption",
    )
    add("--recipe", type=find_recipe, metavar="NAME",
        help="the settings of a classic tutorial, which other options override: "
        + ", ".join(recipe.name for recipe in RECIPES))  # fmt: skip
    add("--list-recipes", action=ListRecipes, nargs=0, help="explain the recipes, and exit")
    add("--category-names", type=Path, metavar="FILE",
        help="names that people use for the labels, as JSON: {\"21\": \"fire lily\"} (default: "
        "category_names.json in the data set, where there is one)")  # fmt: skip
    add("--mirror", choices=("auto", "on", "off"), default="auto",
        help="train on mirrored views as well; auto (default): unless that makes labels look the "
        "same, such as left and right, which is measured on your pictures")  # fmt: skip
    add_crop_argument(
        parser, "crop.json in the data set, where collect.py wrote one; 0,0,1,1 is all"
    )
    add("--seed", type=int, default=0, help="the same seed gives the same model (default: 0)")
    add(
        "--device",
        default="auto",
        help="for fine-tuning: auto (default; a GPU where there is one), cpu, cuda, mps",
    )
    add(
        "--weights",
        default="auto",
        metavar="FILE",
        help="pretrained weights: auto (default; from the cache, else fetched once), a "
        "safetensors or .pth file of torchvision's, or none for random ones",
    )
    add("--test-dataset", type=Path, metavar="FOLDER",
        help="test on these pictures instead of holding some of the data set back")  # fmt: skip
    add("--measured-only", action="store_true",
        help="hold a fifth of the pictures back, and write the model that was measured on them; "
        "without it a head is cross-validated, and trained on all pictures")  # fmt: skip
    add("--progress", type=output_file, metavar="FILE",
        help="append the progress to this file as lines of JSON, for programs; the result is "
        "among the events of python -m webcam_classifier.cli --events train")  # fmt: skip
    return parser


def parse_train_arguments(
    parser: CommandParser, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Parse the command line, and refuse options that don't go together.

    Args:
        parser: From `build_train_parser`.
        arguments: The arguments; None takes those of the process.
    """
    options = parser.parse_args(arguments)
    if options.recipe is not None:  # the command line overrides the recipe
        recipe = options.recipe
        parser.set_defaults(
            mode=recipe.mode, backbone=recipe.backbone, input_size=recipe.input_size
        )
        options = parser.parse_args(arguments)
    of_finetuning = (
        "epochs", "batch_size", "patience", "interpolation_weight", "resume", "device",
    )  # fmt: skip
    given = [name for name in of_finetuning if getattr(options, name) != parser.get_default(name)]
    if options.mode == "head" and given:
        named = " and ".join("--" + name.replace("_", "-") for name in given)
        parser.error(f"{named} belong to --mode finetune: a head is fitted at once")
    if options.mode == "auto" and options.resume:
        parser.error("--resume continues --mode finetune: auto chooses again, by the time it has")
    if options.mode != "auto" and options.minutes is not None:
        parser.error("--minutes belongs to --mode auto: the other modes take the time they need")
    if options.mode != "finetune" and world_size() > 1:
        parser.error("torchrun starts several processes, which only --mode finetune can use")
    _check_backbone(parser, options)
    return options


def _check_backbone(parser: CommandParser, options: argparse.Namespace) -> None:
    """Refuse options that don't go with the network, and set its usual input size."""
    options.compared = compared_backbones(options.backbone)
    if not options.compared:
        options.input_size = options.input_size or usual_input_size(options.backbone)
        if options.latency is not None:
            parser.error("--latency belongs to --backbone auto, which chooses by it")
    elif options.mode == "finetune" or options.weights != "auto":
        parser.error(
            f"--backbone {options.backbone} compares pretrained networks for a head: name "
            "the network"
        )
    elif not all(options.compared):
        parser.error(f"--backbone {options.backbone!r} has an empty name between its commas")
    if is_only_frozen(options.backbone) and (options.mode == "finetune" or options.minutes):
        parser.error(f"the layers of {options.backbone} can't be trained here: take --mode head")


def compared_backbones(backbone: str) -> tuple[str, ...]:
    """Return the networks to choose among; none where one is named.

    Args:
        backbone: As given to `--backbone`.
    """
    if backbone == AUTO:
        return WITHOUT_TORCH
    names = tuple(dict.fromkeys(name.strip() for name in backbone.split(",")))
    return names if "," in backbone else ()


def _time(text: str) -> float:
    value = parse_number(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write a number above 0")
    return value


def _interpolation_weight(text: str) -> float:
    value = parse_number(text)
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most 1")
    return value


def _size(text: str) -> int:
    if not text.isdecimal() or not 64 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not between 64 and 1024 pixels")
    return int(text)
