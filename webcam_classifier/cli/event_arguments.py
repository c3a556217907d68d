"""The command-line arguments for the receivers of labels and events."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from webcam_classifier.cli.number_arguments import parse_count, parse_number
from webcam_classifier.cli.output_arguments import output_file_or_standard_output
from webcam_classifier.events.defaults import (
    CLIP_SECONDS,
    CLIPS_SIZE_LIMIT,
    SECRET_VARIABLE,
    UNCERTAIN_LIMIT,
    UNCERTAIN_RATE,
)

MEGABYTE = 1_000_000
_COMMANDS_AT_ONCE = 1
_COMMAND_SECONDS = 30.0
_MOST_SECONDS = 60.0  # before and after an event

_Add = Callable[..., argparse.Action]
"""Adds an argument to the group."""


def add_event_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for everything that a change of the label can trigger, and --json-lines."""
    group = parser.add_argument_group(
        "what happens when the label changes", "each may be given with the others"
    )
    add = group.add_argument
    _add_json_lines(add)
    _add_commands(add)
    _add_messages(add)
    _add_clips(add)
    _add_uncertain_pictures(add)
    add(
        "--metrics",
        metavar="[HOST:]PORT",
        help="serve figures for Prometheus at http://HOST:PORT/metrics (HOST: this device alone)",
    )
    add(
        "--event-pictures",
        action="store_true",
        help="send the picture with the event, as a JPEG",
    )


def _add_json_lines(add: _Add) -> None:
    add(
        "--json-lines",
        type=output_file_or_standard_output,
        metavar="FILE",
        help="write a line of JSON for each frame, with its unsmoothed prediction; an older FILE "
        "is replaced, - is the standard output",
    )
    add(
        "--events-only",
        action="store_true",
        help="--json-lines writes a line for each change of the label instead",
    )
    add(
        "--json-lines-limit",
        type=_megabytes,
        metavar="MB",
        help="begin a new FILE at this size; five full ones are kept, FILE.1 is the newest",
    )


def _add_commands(add: _Add) -> None:
    add(
        "--on-change",
        action="append",
        default=[],
        metavar="COMMAND",
        help="run this at each change, with the event as JSON on its standard input and in its "
        "environment (WEBCAM_CLASSIFIER_LABEL and others)",
    )
    add(
        "--when",
        action="append",
        default=[],
        type=_label_and_command,
        metavar="LABEL=COMMAND",
        help="the same, when the label changes to LABEL; unknown and no_picture are labels too. "
        "REGION/LABEL is of one region alone",
    )
    add("--shell", action="store_true", help="run these commands in a shell (sh)")
    add(
        "--commands-at-once",
        type=parse_count,
        default=_COMMANDS_AT_ONCE,
        metavar="N",
        help="how many runs of one command may overlap (default: %(default)s, in order)",
    )
    add(
        "--command-limit",
        type=_seconds,
        default=_COMMAND_SECONDS,
        metavar="SECONDS",
        help="end a command that takes longer (default: %(default)g)",
    )


def _add_messages(add: _Add) -> None:
    add(
        "--mqtt",
        action="append",
        default=[],
        metavar="URL",
        help="publish to mqtt[s]://[USER:PASSWORD@]HOST[:PORT]/TOPIC; Home Assistant discovers "
        "it, and TOPIC/command takes pause, resume, snapshot and, with --models, model NAME",
    )
    add(
        "--webhook",
        action="append",
        default=[],
        metavar="URL",
        help="post the event as JSON; signed where the environment variable "
        f"{SECRET_VARIABLE} holds a secret",
    )
    add(
        "--serial",
        metavar="PORT",
        help="write the label to a serial port, such as /dev/ttyUSB0 or /dev/ttyUSB0@9600",
    )


def _add_clips(add: _Add) -> None:
    add(
        "--clips",
        type=Path,
        metavar="FOLDER",
        help="save a short video of each change; changes in quick succession share one",
    )
    add(
        "--clip-seconds",
        type=_clip_seconds,
        default=CLIP_SECONDS,
        metavar="SECONDS",
        help="length of a clip before the change, and after it (default: %(default)g)",
    )
    add(
        "--clips-limit",
        type=_megabytes,
        default=CLIPS_SIZE_LIMIT,
        metavar="MB",
        help="size of all clips together; the oldest are deleted first (default: "
        f"{CLIPS_SIZE_LIMIT // MEGABYTE})",
    )


def _add_uncertain_pictures(add: _Add) -> None:
    add(
        "--keep-uncertain",
        type=Path,
        metavar="FOLDER",
        help="keep pictures of what was unknown, unsure, or just before a change, to be labelled "
        "next (studio.py --unlabelled FOLDER). They show whoever was there, and stay until you "
        "remove them",
    )
    add(
        "--uncertain-rate",
        type=_an_hour,
        default=UNCERTAIN_RATE,
        metavar="N",
        help="of such pictures an hour, at the most; near duplicates are left out "
        "(default: %(default)g)",
    )
    add(
        "--uncertain-limit",
        type=parse_count,
        default=UNCERTAIN_LIMIT,
        metavar="N",
        help="of such pictures in the folder; then no more are kept (default: %(default)s)",
    )


_BELONG_TO = (
    (("events_only", "json_lines_limit"), ("json_lines",)),
    (("shell", "commands_at_once", "command_limit"), ("on_change", "when")),
    (("clip_seconds", "clips_limit"), ("clips",)),
    (("uncertain_rate", "uncertain_limit"), ("keep_uncertain",)),
    (("event_pictures",), ("json_lines", "on_change", "when", "mqtt", "webhook")),
)
"""Options that change what other options do, and those others: one of them must be given."""


def check_event_arguments(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the command if an argument has no effect.

    Args:
        parser: Prints the error.
        options: The options it has parsed.
    """
    for names, others in _BELONG_TO:
        if any(getattr(options, other) for other in others):
            continue
        for name in names:
            if getattr(options, name) != parser.get_default(name):
                needed = " or ".join(map(_option, others))
                parser.error(f"{_option(name)} is for {needed}: add that, or leave it out")
    if options.json_lines == "-" and options.json_lines_limit is not None:
        parser.error("--json-lines-limit is for a file, and - is the standard output: leave it out")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _label_and_command(text: str) -> tuple[str, str]:
    label, equals, command = text.partition("=")
    if not label or not equals or not command.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not a label, = and a command")
    return label, command


def _megabytes(text: str) -> int:
    megabytes = parse_number(text)
    if not 0.001 <= megabytes <= 1e9:  # false for "nan" too
        raise argparse.ArgumentTypeError(f"{text!r} is not a size in megabytes")
    return round(megabytes * MEGABYTE)


def _seconds(text: str) -> float:
    seconds = parse_number(text)
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of up to a day in seconds")
    return seconds


def _clip_seconds(text: str) -> float:
    seconds = parse_number(text)
    if not 0 < seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time of up to {_MOST_SECONDS:g} seconds"
        )
    return seconds


def _an_hour(text: str) -> float:
    rate = parse_number(text)
    if not 0 < rate <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pictures an hour up to 3600")
    return rate
