"""The command line of live.py."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.crop_argument import add_crop_argument
from webcam_classifier.cli.event_arguments import add_event_arguments, check_event_arguments
from webcam_classifier.cli.number_arguments import parse_count, parse_number
from webcam_classifier.cli.output_arguments import output_file
from webcam_classifier.cli.recording_arguments import (
    DATASET,
    RATE,
    parse_rate,
)
from webcam_classifier.cli.region_argument import add_region_argument, check_region_arguments
from webcam_classifier.cli.serve_arguments import add_serve_arguments, check_serve_arguments
from webcam_classifier.cli.source_arguments import add_source_arguments
from webcam_classifier.cli.unknown_argument import add_unknown_argument, with_unknown_level
from webcam_classifier.runtime.choice import AUTO
from webcam_classifier.runtime.providers import PROVIDERS

SMOOTHING = 0.15  # seconds; for the labels of a live source that are drawn or printed
TEACHING_SMOOTHING = 0.1  # seconds; shorter, to see at once what was just learnt
TOP = 3

_MOST_THREADS = 256
_LONGEST_SMOOTHING = 60  # seconds


def parse(manual: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; options that don't go together end the program with a sentence.

    Args:
        manual: The beginning of --help: a first paragraph, then the examples.
        arguments: The arguments; None takes those of the process.
    """
    parser = build_parser(manual)
    options = parser.parse_args(with_unknown_level(arguments))
    check_region_arguments(parser, options)
    check_serve_arguments(parser, options)
    check_event_arguments(parser, options)
    if options.teach is None:
        _refuse_teaching_options(parser, options)
    else:
        _refuse_what_teaching_has_no_use_for(parser, options)
    return options


def build_parser(manual: str) -> CommandParser:
    """Build the parser of the command.

    Args:
        manual: See `parse`.
    """
    usage, _, examples = manual.partition("\n\n")
    parser = CommandParser(usage, "examples:\n" + examples.replace("%", "%%"))
    add_source_arguments(parser)
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="MODEL",
        help="model file, or the folder it is in (default: the newest under models/)",
    )
    add_region_argument(parser)
    _add_what_is_shown(parser)
    add_event_arguments(parser)
    add_serve_arguments(parser)
    _add_how_it_runs(parser)
    _add_teaching(parser)
    return parser


def _add_what_is_shown(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--window",
        action=argparse.BooleanOptionalAction,
        help="show a window (default: yes, but not for pictures)",
    )
    add(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        help="show the window's picture like a mirror (default: for a camera); what the model "
        "sees and what is saved is never mirrored",
    )
    add(
        "--save",
        type=output_file,
        metavar="VIDEO",
        help="save the annotated video as .mp4 or .avi; the file is complete when the program ends",
    )
    add_crop_argument(parser, "what the model was trained on, or else the whole picture")
    add(
        "--explain",
        action="store_true",
        help="draw a heat map of where the label was found, in the window (key e) and in the video",
    )
    add("--frames", type=parse_count, metavar="N", help="end after N frames")
    add("--top", type=parse_count, metavar="N", help=f"how many labels are shown (default: {TOP})")
    add(
        "--smoothing",
        type=_seconds,
        metavar="SECONDS",
        help="smooth what is shown over this time, 0 is off "
        f"(default: {SMOOTHING} for a live source, else 0)",
    )
    add_unknown_argument(parser)


def _add_how_it_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=_threads,
        default=0,
        metavar="N",
        help="processor threads for the model (default: as many as make it faster)",
    )
    parser.add_argument(
        "--provider",
        choices=(AUTO, *PROVIDERS),
        default=AUTO,
        help="the runtime; auto tries what is installed, once for each model and beside a live "
        "picture, and remembers the fastest whose answers agree with the processor's "
        "(default: %(default)s)",
    )


def _add_teaching(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training while you watch, in a window")
    group.add_argument(
        "--teach",
        nargs="*",
        metavar="LABEL",
        help="record and train at once: hold a label's key while you show it; the labels of the "
        "data set are added, and more can be typed in the window",
    )
    group.add_argument(
        "--dataset",
        type=Path,
        metavar="FOLDER",
        help=f"where the labels' folders are, and are made (default: {DATASET})",
    )
    group.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where w writes the model (default: models/ and the name of the data set)",
    )
    group.add_argument(
        "--rate",
        type=parse_rate,
        metavar="RATE",
        help=f"snapshots a second while a key is held (default: {RATE:g})",
    )


def _refuse_teaching_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    for name in ("dataset", "output", "rate"):
        if getattr(options, name) is not None:
            parser.error(f"--{name} is for teaching: add --teach, or leave it out")


def _refuse_what_teaching_has_no_use_for(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> None:
    if options.model is not None:
        parser.error(
            "--teach begins with the snapshots in a folder and not with a model, so it does not "
            f"use {options.model}: leave one of them out, or name the folder with --dataset"
        )
    if options.window is False:
        parser.error(
            "--teach needs a window for its keys: for a device without a screen, train from a "
            "browser with `python studio.py`"
        )
    if options.serve is not None:
        parser.error("--serve shows a model that is finished; `python studio.py` teaches on a page")
    if options.models is not None:
        parser.error("--models is for a model that is finished: leave --teach or --models out")
    if options.explain:
        parser.error("--explain needs a finished model: leave --teach or --explain out")
    if options.top is not None:
        parser.error("--teach shows every label, so --top has no effect: leave it out")
    if options.unknown is not None:
        parser.error("--teach always shows what is unknown: leave --unknown out")


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_THREADS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number from 0 to {_MOST_THREADS}"
        )
    return int(text)


def _seconds(text: str) -> float:
    seconds = parse_number(text)
    if not 0 <= seconds <= _LONGEST_SMOOTHING:  # false for "nan" too
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time from 0 to {_LONGEST_SMOOTHING} seconds"
        )
    return seconds
