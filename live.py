"""Label what a camera sees, now: in a window, as JSON lines, as a video, or on the terminal.

$ python live.py                                        the model taught last, the first camera
$ python live.py models/thumbs --source clip.mp4        a video file, at its own speed
$ python live.py --source photo.jpg                     what is on one picture
$ python live.py --source pictures/ --json-lines -      what is on every picture, for programs
$ python live.py --no-window --json-lines labels.jsonl  a device without a screen
$ python live.py --save annotated.mp4 --frames 300      ten seconds to show around
$ python live.py --source demo                          no camera at hand

Keys in the window: q or Escape quits, space or p pauses, s saves a snapshot to snapshots/.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from webcam_classifier.camera.open_camera import (
    Camera,
    add_source_arguments,
    capture_settings,
    open_camera,
)
from webcam_classifier.camera.video_file import VideoFile, file_rate
from webcam_classifier.console import run_script
from webcam_classifier.data.pictures import is_picture_name
from webcam_classifier.errors import UserError
from webcam_classifier.live.loop import LiveLoop
from webcam_classifier.live.runtime_choice import AUTO, choose_runtime
from webcam_classifier.live.show import Show, SourceFacts
from webcam_classifier.live.sinks import JsonLines, TerminalLines
from webcam_classifier.live.timing import describe_run
from webcam_classifier.model.classifier import Classifier, ModelCard, find_model, newest_model
from webcam_classifier.runtime.execution_provider import PROVIDERS

if TYPE_CHECKING:
    from webcam_classifier.live.window import LiveWindow

SMOOTHING = 0.3  # seconds; steadies what is drawn of a live source, or said without a window
MODELS = Path("models")
SNAPSHOTS = Path("snapshots")

_MOST_THREADS = 256
_LONGEST_SMOOTHING = 60  # seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Open everything that was asked for, run the loop, and say how it went."""
    options = parse(arguments)
    cv2.setNumThreads(1)  # a resize is too small to share out, and the graph has its own threads
    path = newest_model(MODELS) if options.model is None else find_model(options.model)
    choice = choose_runtime(path, options.provider, options.threads, say)
    classifier = Classifier(path, choice.runtime, tells_unknown=options.unknown)
    classifier.warm_up()
    with ExitStack() as stack:
        camera = stack.enter_context(open_camera(options.source, capture_settings(options)))
        say(f"model  {path}: {describe_card(classifier.card)}")
        say(f"source {camera.description}\nruns on {classifier.runtime} ({choice.reason})")
        source = source_facts(options.source, camera)
        show = open_show(options, source, camera.is_device, stack)
        record = None
        if options.json_lines:
            record = stack.enter_context(JsonLines(options.json_lines)).record
        default = SMOOTHING if camera.is_live else 0.0
        loop = LiveLoop(
            camera,
            classifier,
            smoothing=default if options.smoothing is None else options.smoothing,
            file_rate=source.file_rate,
            frame_limit=options.frames,
            record=record,
        )
        try:
            with loop:
                show.run(loop)
        finally:
            say(describe_end(loop, show, camera, source))


def open_show(
    options: argparse.Namespace, source: SourceFacts, is_device: bool, stack: ExitStack
) -> Show:
    """Open the terminal, the video file and the window, as far as they are wanted.

    Args:
        options: From `parse`.
        source: What is known of the source.
        is_device: Whether it is a camera that somebody may stand in front of.
        stack: Closes what is opened.

    Raises:
        UserError: The video file can't be written.
    """
    video = None
    if options.save:
        if source.are_pictures:
            raise UserError(
                f"--save writes a video, but {options.source} is no video. Look at pictures with "
                "--window, where s saves an annotated one."
            )
        if options.save.exists() and options.save.resolve() == Path(options.source).resolve():
            raise UserError(
                f"--save {options.save} would overwrite the video that is read. Name another file."
            )
        stack.callback(say_saved, options.save)  # after the file was moved into its place
        video = stack.enter_context(VideoFile(options.save, source.file_rate))
    window = open_window(options, source, is_device, stack)
    words = sys.stderr if options.json_lines == "-" else sys.stdout
    needs_words = source.are_pictures or window is None
    terminal = TerminalLines(words, options.top) if needs_words else None
    return Show(source, options.top, terminal=terminal, video=video, window=window)


def open_window(
    options: argparse.Namespace, source: SourceFacts, is_device: bool, stack: ExitStack
) -> LiveWindow | None:
    """Open the window, where one is wanted and there is a display; say so where there is none.

    Args:
        options: From `parse`.
        source: What is known of the source.
        is_device: A camera is shown like a mirror, as people know themselves.
        stack: Closes the window.
    """
    if not (not source.are_pictures if options.window is None else options.window):
        return None
    # Loaded only now: fonts and windows would slow down every start on a device without them.
    from webcam_classifier.display.window import Window, display_problem
    from webcam_classifier.live.window import TITLE, LiveWindow

    problem = display_problem()
    if problem is not None:
        say(f"going on without a window: {problem}")
        return None
    mirrored = is_device if options.mirror is None else options.mirror
    return LiveWindow(stack.enter_context(Window(TITLE)), options.top, mirrored, SNAPSHOTS)


def source_facts(source: str, camera: Camera) -> SourceFacts:
    """Gather what matters about a source when its frames are shown.

    Args:
        source: As the user named it.
        camera: What was opened by that name.
    """
    path = Path(source).expanduser()
    are_pictures = not camera.is_live and (path.is_dir() or is_picture_name(path))
    return SourceFacts(
        is_live=camera.is_live,
        are_pictures=are_pictures,
        file_rate=None if camera.is_live or are_pictures else file_rate(source),
        frame_count=camera.frame_count,
    )


def describe_card(card: ModelCard) -> str:
    """Say in one line what a model knows and how good it is."""
    accuracy = "accuracy not measured"
    if card.accuracy is not None:
        accuracy = f"accuracy {card.accuracy:.2f} on {card.accuracy_count} test pictures"
    labels = ", ".join(card.shown_labels)
    return f"{labels} ({card.backbone} at {card.input_size} pixels, {card.precision}, {accuracy})"


def describe_end(loop: LiveLoop, show: Show, camera: Camera, source: SourceFacts) -> str:
    """Say how a run went, and which files were skipped."""
    if source.are_pictures:
        lines = [f"{loop.counter.frames} pictures, {len(camera.skipped)} skipped"]
        lines += [f"  skipped {path}: {reason}" for path, reason in camera.skipped]
        return "\n".join(lines)
    return describe_run(loop.counter, loop.undrawn, loop.stages | show.stages)


def say_saved(path: Path) -> None:
    """Say where the video is, where there is one."""
    if path.is_file():
        say(f"saved  {path}")


def say(line: str) -> None:
    """Tell the person at the terminal; the standard output is kept for labels."""
    print(line, file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    usage, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=usage, epilog="examples:\n" + examples.replace("%", "%%")
    )
    add_source_arguments(parser)
    parser.add_argument(
        "model",
        nargs="?",
        type=Path,
        metavar="MODEL",
        help="model file, or the folder it is in (default: the newest under models/)",
    )
    parser.add_argument(
        "--window",
        action=argparse.BooleanOptionalAction,
        help="show a window (default: yes, but not for pictures)",
    )
    parser.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        help="show the window's picture like a mirror (default: for a camera); what the model "
        "sees and what is saved is never mirrored",
    )
    parser.add_argument(
        "--json-lines",
        metavar="FILE",
        help="write a line of JSON for each frame, with its unsmoothed prediction; an older FILE "
        "is replaced, - is the standard output",
    )
    parser.add_argument(
        "--save",
        type=Path,
        metavar="VIDEO",
        help="save the annotated video as .mp4 or .avi; it is there when the program has ended",
    )
    parser.add_argument("--frames", type=_count, metavar="N", help="end after N frames")
    parser.add_argument(
        "--top",
        type=_count,
        default=3,
        metavar="N",
        help="how many labels are shown (default: %(default)s)",
    )
    parser.add_argument(
        "--smoothing",
        type=_seconds,
        metavar="SECONDS",
        help="steady what is shown over this time, 0 is off "
        f"(default: {SMOOTHING} for a live source, else 0)",
    )
    parser.add_argument(
        "--unknown",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="say unknown where a picture is like nothing that the model was shown; "
        "--no-unknown always settles for a label",
    )
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
        help="what runs the model; auto tries what is installed, once for each model, and "
        "remembers the fastest that answers as the processor does (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_THREADS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number from 0 to {_MOST_THREADS}"
        )
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_SMOOTHING:  # false for "nan" too
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time from 0 to {_LONGEST_SMOOTHING} seconds"
        )
    return seconds


if __name__ == "__main__":
    run_script(main)
