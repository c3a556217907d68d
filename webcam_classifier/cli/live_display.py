"""What `live` shows and prints: the window, the video, the terminal, and a summary of the run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from webcam_classifier.camera.protocol import Camera, CameraStatus
from webcam_classifier.camera.video_file import VideoFile
from webcam_classifier.cli.live_arguments import SMOOTHING, TEACHING_SMOOTHING, TOP
from webcam_classifier.cli.unknown_advice import UnknownAdvice
from webcam_classifier.command_names import as_installed
from webcam_classifier.dataset.listing import printable
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.live.model_switch import ModelSwitch
from webcam_classifier.live.service_notify import notifier_of
from webcam_classifier.live.status_words import status_sentence
from webcam_classifier.live.terminal_lines import TerminalLines
from webcam_classifier.live.timing import describe_run
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import ModelCard
from webcam_classifier.percentage import percentage
from webcam_classifier.ui import window_words
from webcam_classifier.ui.frame_display import FrameDisplay, SourceFacts

if TYPE_CHECKING:
    from webcam_classifier.ui.explanation import Explanation
    from webcam_classifier.ui.live_window import LiveWindow

_Told = TypeVar("_Told")

SNAPSHOTS = Path("snapshots")


def run(
    loop: LiveLoop,
    display: FrameDisplay,
    camera: Camera,
    source: SourceFacts,
    advice: UnknownAdvice | None = None,
) -> None:
    """Run the loop to its end, and print a summary, whatever ended it.

    Args:
        loop: Labels the frames.
        display: Shows them to people.
        camera: Where they come from.
        source: What is known of it.
        advice: Says at the end how much was unknown; None if nothing needs to be said of that.
    """
    try:
        with loop:
            display.run(loop)
    finally:
        say(describe_end(loop, display, camera, source))
        if advice is not None:
            advice.say_share(display.unknown.share, "pictures" if source.are_pictures else "frames")


def all_of(hooks: Sequence[Callable[[_Told], None]]) -> Callable[[_Told], None]:
    """Combine hooks into one that calls them in order."""

    def call(told: _Told) -> None:
        for hook in hooks:
            hook(told)

    return call


def smoothing(options: argparse.Namespace, camera: Camera) -> float:
    """Return the seconds to smooth over; 0 by default for a file, where each frame counts."""
    if options.smoothing is not None:
        return float(options.smoothing)
    default = SMOOTHING if options.teach is None else TEACHING_SMOOTHING
    return default if camera.is_live else 0.0


def open_display(
    options: argparse.Namespace,
    source: SourceFacts,
    is_device: bool,
    stack: ExitStack,
    switch: ModelSwitch | None,
    advice: UnknownAdvice,
) -> FrameDisplay:
    """Open the terminal output, the video file and the window, if they are wanted.

    Args:
        options: From `parse`.
        source: What is known of the source.
        is_device: Whether it is a camera that somebody may stand in front of.
        stack: Closes what is opened.
        switch: Holds the current model; None if there are regions.
        advice: Says what to do while nearly everything is unknown.

    Raises:
        UserError: The video file can't be written.
    """
    top = options.top or TOP
    video = open_video(options, source, stack)
    window = open_window(options, source, is_device, stack, switch)
    if options.explain and window is None and video is None:
        told = "note: --explain has no effect: it draws in a window and in the video of --save"
        say(told if options.serve is None else f"{told}. On the page, press Heat map")
    if options.mirror and window is None:
        say("note: --mirror has no effect: only the window's picture is mirrored")
    words = sys.stderr if options.json_lines == "-" else sys.stdout
    needs_words = source.are_pictures or window is None
    terminal = TerminalLines(words, top, source.file_rate) if needs_words else None
    explanation = (
        explanation_of(switch.classifier)
        if switch is not None and options.explain and video is not None
        else None
    )

    def draw(labelled: LabelledFrame, status: str) -> BgrImage:
        image = labelled.frame.image
        if explanation is not None:
            image = image.copy()
            explanation.draw(image, labelled.frame.image, labelled.steady)
        return drawn(options, image, labelled, status, switch)

    def tell_unknown(regions: tuple[str, ...]) -> None:
        if window is not None:
            window.hint(window_words.unlike_training(regions))
        advice.say_recent(regions)

    return FrameDisplay(
        source,
        terminal=terminal,
        video=video,
        draw=draw,
        window=window,
        notifier=notifier_of(),
        on_unknown=tell_unknown,
    )


def drawn(
    options: argparse.Namespace,
    image: BgrImage,
    labelled: LabelledFrame,
    status: str,
    switch: ModelSwitch | None,
) -> BgrImage:
    """Draw the labels onto a copy of a picture.

    Args:
        options: From `parse`.
        image: (height, width, 3) uint8, the frame's picture at any size.
        labelled: The labelled frame.
        status: A line about rate and age.
        switch: As for `open_display`; the crop of its model is shown.

    Returns:
        (height, width, 3) uint8.
    """
    # Imported only now, for a quicker start if nothing is drawn.
    from webcam_classifier.display.crop_frame import draw_crop
    from webcam_classifier.ui.labelled_picture import draw_labelled

    view: BgrImage = image.copy()
    draw_crop(view, None if switch is None else switch.classifier.crop)
    return draw_labelled(view, labelled, top=options.top or TOP, status=status)


def open_video(
    options: argparse.Namespace, source: SourceFacts, stack: ExitStack
) -> VideoFile | None:
    """Open the video file, if one is wanted.

    Args:
        options: From `parse`.
        source: What is known of the source.
        stack: Closes it.

    Raises:
        UserError: It can't be written.
    """
    if not options.save:
        return None
    if source.are_pictures:
        raise UserError(
            f"--save writes a video, but {options.source} is not a video. Show pictures with "
            "--window, where s saves an annotated one."
        )
    if options.save.exists() and options.save.resolve() == Path(options.source).resolve():
        raise UserError(
            f"--save {options.save} would overwrite the video that is read. Name another file."
        )
    stack.callback(say_saved, options.save)  # after the file has been moved into place
    return stack.enter_context(VideoFile(options.save, source.file_rate))


def open_window(
    options: argparse.Namespace,
    source: SourceFacts,
    is_device: bool,
    stack: ExitStack,
    switch: ModelSwitch | None,
) -> LiveWindow | None:
    """Open the window, if one is wanted and there is a display; say so if there is none.

    Args:
        options: From `parse`.
        source: What is known of the source.
        is_device: Whether it is a camera, whose picture is shown as a mirror image.
        stack: Closes the window.
        switch: As for `open_display`.
    """
    if not (not source.are_pictures if options.window is None else options.window):
        return None
    # Imported only now: fonts and windows would slow down every start without them.
    from webcam_classifier.display.window import Window, display_problem
    from webcam_classifier.ui.live_window import TITLE, LiveWindow

    problem = display_problem()
    if problem is not None:
        say(f"going on without a window: {problem}")
        return None
    mirrored = is_device if options.mirror is None else options.mirror
    window = LiveWindow(
        stack.enter_context(Window(TITLE)),
        options.top or TOP,
        mirrored,
        SNAPSHOTS,
        None if switch is None else switch.classifier.crop,
        None if switch is None else lambda: explanation_of(switch.classifier),
    )
    if switch is not None:
        switch.on_change(window.change_model)
    if options.explain:
        window.explain()
    return window


def explanation_of(classifier: Classifier) -> Explanation:
    """Return what draws where a model found its label.

    Raises:
        UserError: Its network can't tell where it looked.
    """
    # Imported only now: it is the slowest to import, and rarely used.
    from webcam_classifier.ui.explanation import Explanation

    return Explanation(classifier)


def describe_card(card: ModelCard) -> str:
    """Return one line with a model's labels and accuracy."""
    accuracy = "accuracy not measured"
    if card.accuracy is not None:
        accuracy = f"accuracy {percentage(card.accuracy)} on {card.accuracy_count} test pictures"
    labels = ", ".join(card.shown_labels)
    return f"{labels} ({card.backbone} at {card.input_size} pixels, {card.precision}, {accuracy})"


def describe_end(loop: LiveLoop, display: FrameDisplay, camera: Camera, source: SourceFacts) -> str:
    """Return a summary of the run, with the files that were skipped."""
    if source.are_pictures:
        lines = [f"{loop.counter.frames} pictures, {len(camera.skipped)} skipped"]
        lines += [f"  skipped {printable(path)}: {reason}" for path, reason in camera.skipped]
        return "\n".join(lines)
    lines = [describe_run(loop.counter, loop.dropped_frames, loop.stages | display.stages)]
    lines += [f"  {printable(path)}: {reason}" for path, reason in camera.skipped]
    return "\n".join(lines)


def say_saved(path: Path) -> None:
    """Print where the video is, if one was written."""
    if path.is_file():
        say(f"saved  {path}")


def say_status(status: CameraStatus) -> None:
    """Print that pictures stopped coming, or come again."""
    say(status_sentence(status))


def say(line: str) -> None:
    """Print a line to standard error; standard output is for labels."""
    print(as_installed(line), file=sys.stderr, flush=True)
