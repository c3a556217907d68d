"""Record labelled snapshots: hold a key, and what the camera sees is saved under a label.

$ python collect.py thumbs_up thumbs_down background    a window; hold 1, 2 or 3 to record
$ python collect.py thumbs_up background --source demo  no camera at hand: a simulated one
$ python collect.py cup --source 1 --rate 4             the second camera, 4 pictures a second
$ python collect.py cup --no-window --count 40          a device without a screen: 3, 2, 1, go
$ python collect.py cup --no-window --source clip.mp4   every picture of a video
$ python collect.py cup --no-window --source clip.mp4 --every 10 --count 40
$ python collect.py cup --no-window --source clip.mp4 --every 0.5    one every half second
$ python collect.py --list-cameras                      list the cameras
$ python collect.py --review                            which snapshots to look at again
$ python collect.py --import project.tm                 pictures of other tools, a folder or a zip
$ python collect.py --export dataset.zip                the data set for another machine

In the window: 1 to 9 record (hold for many, tap for one), tab and the arrows choose a label for
the space bar, n types a new label, u or z or backspace undoes the last recording, m mirrors the
view (never the saved pictures), q or Escape quits. Drag the mouse to use only a part of the
picture, and press a for all of it. The next step is `python train.py`.

Pictures are saved as dataset/LABEL/SESSION-BURST-INDEX.jpg. Pictures that are too dark, too
bright, blurred, or nearly the same as the one before are counted, not recorded; --keep-all records
them too. People release a key late, so the last 0.2 seconds of a hold are not recorded; the first
picture always is.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from webcam_classifier.camera.demo import hold_pose_while
from webcam_classifier.camera.protocol import Camera, CameraStatus
from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.crop_argument import add_crop_argument, crop_of_source
from webcam_classifier.cli.exchange_arguments import add_exchange_arguments, exchange
from webcam_classifier.cli.number_arguments import parse_count
from webcam_classifier.cli.recording_arguments import (
    RATE,
    add_dataset_argument,
    frames_between,
    parse_every,
    parse_rate,
)
from webcam_classifier.cli.source_arguments import (
    add_source_arguments,
    capture_settings,
    open_source,
)
from webcam_classifier.cli.unattended import count_down, record_unattended, watched
from webcam_classifier.command_names import as_installed, typed
from webcam_classifier.dataset.crop_file import write_crop
from webcam_classifier.dataset.label_names import check_labels
from webcam_classifier.dataset.listing import list_dataset, printable
from webcam_classifier.display.window import Window, display_problem
from webcam_classifier.errors import UserError
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.live.no_model import NoModel
from webcam_classifier.live.status_words import status_sentence
from webcam_classifier.teaching.recording_session import RecordingSession
from webcam_classifier.ui.frame_display import FrameDisplay, SourceFacts
from webcam_classifier.ui.record_window import COLLECT_TITLE, RecordWindow
from webcam_classifier.ui.record_words import describe_saved, describe_skipped

COUNTDOWN = 3  # seconds
LONGEST_COUNTDOWN = 60  # seconds

_USED_IN = {
    "list_cameras": (),
    "review": ("dataset", "json"),
    "imported": ("dataset", "labels"),
    "exported": ("dataset", "labels"),
}
"""The arguments that have an effect where nothing is recorded, by the one that says so."""

_FILE_RATE = 30.0  # frames a second in the window; without it a file would play too fast


def main(arguments: Sequence[str] | None = None) -> None:
    """Record until the user quits, the source ends, or enough is recorded."""
    options = parse(arguments)
    if options.list_cameras:
        from webcam_classifier.camera.device_list import describe_cameras, list_cameras

        print(as_installed(describe_cameras(list_cameras())))
        return
    if options.review is not None:
        from webcam_classifier.cli.list_suspects import list_suspects

        list_suspects(options.dataset if options.review is True else options.review, options.json)
        return
    if exchange(options):
        return
    labels = check_labels(options.labels, options.dataset)
    check_options(options, labels)
    with open_source(options) as camera:
        print(f"source {camera.description}", flush=True)
        check_source(options, camera)
        takes_all = options.no_window and not camera.is_live
        rate = math.inf if takes_all else options.rate or RATE
        crop = crop_of_source(options.crop, options.source, capture_settings(options), camera)
        if crop is not None:
            write_crop(options.dataset, crop)
        session = RecordingSession(options.dataset, labels, rate=rate, keep_all=options.keep_all)
        try:
            with session:
                record(options, camera, session, labels)
        finally:
            for path, reason in () if camera.is_live else camera.skipped:
                print(f"skipped {printable(path)}: {reason}", file=sys.stderr)
            # A closed terminal must not hide the error that ended the recording.
            with suppress(BrokenPipeError):
                said = describe_saved(session.state(), session.saved)
                print(as_installed(said), flush=True)
    if options.no_window and not session.saved:
        raise UserError(
            f"Nothing was recorded from {options.source}: "
            f"{describe_skipped(session.state()) or 'it gave no picture'}. "
            "Choose another source, or record such pictures too with --keep-all."
        )


def record(
    options: argparse.Namespace,
    camera: Camera,
    session: RecordingSession,
    labels: Sequence[str],
) -> None:
    """Record in a window, or the only label without one."""
    if not options.no_window:
        hold_pose_while(camera, lambda: session.is_recording)
        if record_in_window(camera, session):
            print("the source has ended")
        return
    if camera.is_device:
        count_down(camera, COUNTDOWN if options.countdown is None else options.countdown)
    with watched(camera, say_status):
        every = frames_between(options.every, options.source)
        done = record_unattended(camera, session, labels[0], options.count, every)
    if options.count is not None and done < options.count:
        print(f"the source ended after {done} of {options.count} pictures")


def record_in_window(camera: Camera, session: RecordingSession) -> bool:
    """Record until the user quits or the source ends; returns whether the source ended.

    Raises:
        UserError: A snapshot could not be written, or the camera was unplugged.
    """

    def observe(labelled: LabelledFrame) -> None:
        session.observe(labelled)
        session.check()  # if nothing can be saved, the command ends

    file_rate = None if camera.is_live else _FILE_RATE
    source = SourceFacts(camera.is_live, False, file_rate, camera.frame_count)
    loop = LiveLoop(camera, NoModel(), record=observe, on_status=say_status)
    with Window(COLLECT_TITLE) as window, loop:
        record_window = RecordWindow(window, session, mirrored=camera.is_device)
        FrameDisplay(source, window=record_window).run(loop)
    return not record_window.wants_end


def say_status(status: CameraStatus) -> None:
    """Print that pictures stopped coming, or come again."""
    print(status_sentence(status), file=sys.stderr, flush=True)


def check_options(options: argparse.Namespace, labels: Sequence[str]) -> None:
    """Check the options before a camera is opened.

    Raises:
        UserError: No label, no display, or options that don't go together.
    """
    if options.json:
        raise UserError("--json is for --review. Add that, or leave it out.")
    if not labels and (options.no_window or not _has_labels(options.dataset)):
        raise UserError(
            "There is no label to record. Name one or more, as in "
            "`python collect.py thumbs_up thumbs_down`."
        )
    if options.no_window:
        if len(labels) > 1:
            raise UserError(
                f"Without a window one label is recorded at a time, and there are {len(labels)}. "
                "Start it once for each label."
            )
        return
    if not (options.count is options.every is options.countdown is None):
        raise UserError(
            "--count, --every and --countdown are for recording without a window. Add "
            "--no-window, or leave them out."
        )
    problem = display_problem()
    if problem is not None:
        label = labels[0] if labels else list_dataset(options.dataset).labels[0]
        raise UserError(f"{problem} For that: `python collect.py {typed(label)} --no-window`.")


def _has_labels(dataset: Path) -> bool:
    """Whether there is a data set with labels, which the window shows by itself."""
    return dataset.is_dir() and bool(list_dataset(dataset).labels)


def check_source(options: argparse.Namespace, camera: Camera) -> None:
    """Check the options against the source.

    Raises:
        UserError: --every for a live source, --rate for a file without a window, --countdown for
            what is not a camera of this device.
    """
    if options.every is not None and camera.is_live:
        raise UserError("--every is for files. Use --rate for a live source.")
    if options.rate is not None and options.no_window and not camera.is_live:
        raise UserError("--rate is for live sources. Use --every to take fewer pictures of a file.")
    if options.countdown and not camera.is_device:
        raise UserError(
            "--countdown is for a camera of this device: recording from other sources begins at "
            "once. Leave it out."
        )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; an option that has no effect ends the program with a sentence."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    for mode, used in _USED_IN.items():
        if getattr(options, mode):
            parser.refuse_unused(options, mode, used)
    return options


def build_parser() -> CommandParser:
    """Build the parser of the command."""
    parser = CommandParser(__doc__ or "")
    parser.add_argument(
        "labels",
        nargs="*",
        metavar="LABEL",
        help="labels to record, each into its folder (default: those of the data set, in a window)",
    )
    add_dataset_argument(parser)
    parser.add_argument(
        "--rate",
        type=parse_rate,
        metavar="RATE",
        help=f"pictures a second of a live source, or while a key is held (default: {RATE:g})",
    )
    parser.add_argument(
        "--keep-all",
        action="store_true",
        help="record dark, bright, blurred and repeated pictures too",
    )
    parser.add_argument("--list-cameras", action="store_true", help="list the cameras, and exit")
    parser.add_argument(
        "--review",
        nargs="?",
        const=True,
        type=Path,
        metavar="FOLDER",
        help="record nothing; list snapshots that look like another label, are near duplicates, or "
        "blurred, or what live.py --keep-uncertain FOLDER has kept (default: the data set)",
    )
    parser.add_argument("--json", action="store_true", help="--review writes JSON")
    add_crop_argument(
        parser, "what the data set says; pictures are saved whole, so it can be changed later"
    )
    group = parser.add_argument_group("without a window")
    group.add_argument("--no-window", action="store_true", help="record one label without a window")
    group.add_argument(
        "--count",
        type=parse_count,
        metavar="N",
        help="stop after this many pictures (default: at the end of the source, or with Ctrl-C)",
    )
    group.add_argument(
        "--every",
        type=parse_every,
        metavar="N",
        help="of a file, take every Nth picture, or one every so many seconds of a video: 0.5, 2s "
        "(default: 1, all)",
    )
    group.add_argument(
        "--countdown",
        type=_parse_countdown,
        metavar="SECONDS",
        help=f"wait before a camera is recorded, 0 to {LONGEST_COUNTDOWN} (default: {COUNTDOWN})",
    )
    add_exchange_arguments(parser)
    add_source_arguments(parser)
    return parser


def _parse_countdown(text: str) -> int:
    if not (text.isdecimal() and int(text) <= LONGEST_COUNTDOWN):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a countdown; write 0 to {LONGEST_COUNTDOWN} seconds"
        )
    return int(text)
