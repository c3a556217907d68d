"""Label what a camera sees, live: in a window, as JSON lines, as a video, or on the terminal.

$ python live.py                                        the newest model, the first camera
$ python live.py models/thumbs --source clip.mp4        a video file, at its own speed
$ python live.py --source photo.jpg                     what is on one picture
$ python live.py --source pictures/ --json-lines -      what is on every picture, for programs
$ python live.py --no-window --json-lines labels.jsonl  a device without a screen
$ python live.py --no-window --serve 0.0.0.0:8080       the same, watched from a browser elsewhere
$ python live.py --save annotated.mp4 --frames 300      a video of ten seconds
$ python live.py --source demo                          no camera at hand
$ python live.py --teach cup hand background            no model yet: train it while you watch
$ python live.py --teach --dataset dataset              continue with the snapshots in a folder

Keys in the window: q or Escape quits, space or p pauses, s saves a snapshot to snapshots/, e
shows where the label was found.

Keys with --teach: hold 1 to 9 to record a label (a tap is one snapshot), tab and the arrows choose
one for the space bar, n types a new label, u or z or backspace undoes the last recording, w
writes models/NAME/model.onnx, m mirrors the view, q or Escape quits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from webcam_classifier.camera.open_camera import Camera, capture_settings, open_camera
from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.camera.video_file import VideoFile
from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.crop_argument import crop_of_source
from webcam_classifier.cli.event_sinks import open_events
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.cli.live_arguments import (
    SMOOTHING,
    TEACHING_SMOOTHING,
    TOP,
    parse,
)
from webcam_classifier.cli.live_arguments import (
    build_parser as build_live_parser,
)
from webcam_classifier.cli.live_process import live_process, teaching_process
from webcam_classifier.cli.recording_arguments import DATASET, RATE
from webcam_classifier.cli.runtime_search import RuntimeSearch, first_runtime
from webcam_classifier.cli.serving import open_serving
from webcam_classifier.command_names import as_installed
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.crop_file import write_crop
from webcam_classifier.dataset.listing import printable
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.live.model_switch import ModelSwitch
from webcam_classifier.live.service_notify import notifier_of
from webcam_classifier.live.sinks import TerminalLines
from webcam_classifier.live.status_words import status_sentence
from webcam_classifier.live.timing import describe_run
from webcam_classifier.model.classifier import Classifier, find_model, newest_model
from webcam_classifier.model_card import UNKNOWN_NORMAL, ModelCard
from webcam_classifier.runtime.choice import AUTO, choose_runtime
from webcam_classifier.runtime.providers import CPU, ExecutionConfig
from webcam_classifier.ui.show import Show, SourceFacts, source_facts

if TYPE_CHECKING:
    from webcam_classifier.ui.explanation import Explanation
    from webcam_classifier.ui.live_window import LiveWindow

_Told = TypeVar("_Told")

MODELS = Path("models")
SNAPSHOTS = Path("snapshots")


@library_messages()
def main(arguments: Sequence[str] | None = None) -> None:
    """Open everything that was asked for, run the loop, and say how it went."""
    options = parse(__doc__ or "", arguments)
    if options.teach is None:
        with live_process():
            watch(options)
    else:
        with teaching_process() as on_loaded:
            teach(options, on_loaded)


def build_parser() -> CommandParser:
    """Say what the command takes."""
    return build_live_parser(__doc__ or "")


def watch(options: argparse.Namespace) -> None:
    """Label with a model.

    Args:
        options: From `parse`.
    """
    path = newest_model(MODELS) if options.model is None else find_model(options.model)
    choice, others_are_left = first_runtime(path, options.provider, options.threads, say)
    crop: Crop | None = None  # in place of what a model looks at

    def opened(path: Path, runtime: ExecutionConfig) -> Classifier:
        classifier = Classifier(path, runtime, unknown=options.unknown or UNKNOWN_NORMAL)
        classifier.crop = crop or classifier.crop
        classifier.warm_up()
        return classifier

    def reopened(path: Path) -> Classifier:
        chosen, _ = first_runtime(path, options.provider, options.threads, say)
        return opened(path, chosen.runtime)

    classifier = opened(path, choice.runtime)
    with ExitStack() as stack:
        camera = stack.enter_context(open_camera(options.source, capture_settings(options)))
        if others_are_left and not camera.is_live:
            # What is stored waits, and is labelled from its beginning to its end by one runtime.
            choice = choose_runtime(path, options.provider, options.threads, say)
            classifier.change_runtime(choice.runtime)
        say(f"model  {path}: {describe_card(classifier.card)}")
        say(f"source {camera.description}\nruns on {classifier.runtime} ({choice.reason})")
        source = source_facts(options.source, camera)
        crop = crop_of_source(options.crop, options.source, capture_settings(options), camera)
        classifier.crop = crop or classifier.crop
        if classifier.crop is not None:
            say(f"looks at {classifier.crop.describe()}")
        switch = ModelSwitch(classifier, options.models, reopened, say)
        show = open_show(options, source, camera.is_device, stack, switch)
        if options.serve is not None and source.are_pictures:
            raise UserError(
                f"--serve shows a live picture or a video, and {options.source} is of single "
                "pictures. Leave --serve out."
            )
        served = open_serving(
            options,
            say,
            stack,
            camera=camera,
            switch=switch,
            beside=lambda path: opened(path, ExecutionConfig(CPU, 1)),
            draw=lambda image, labelled, status: drawn(
                image, labelled, status, switch.classifier.crop, options.top or TOP
            ),
        )
        events = open_events(
            options,
            say,
            stack,
            labels=classifier.card.labels,
            model=path,
            source=source,
            served=served,
        )
        on_status = [say_status if show.terminal is None else show.terminal.show_status]
        if events is not None:
            on_status.append(events.take_status)
            events.change_model_with(switch.request)
        loop = LiveLoop(
            camera,
            classifier,
            smoothing=smoothing(options, camera),
            file_rate=source.file_rate,
            frame_limit=options.frames,
            record=None if events is None else events.take,
            on_status=all_of(on_status),
        )
        switch.use_loop(loop)
        if others_are_left and camera.is_live:

            def say_of_first(line: str) -> None:
                if switch.classifier is classifier:  # else the search is about a model of before
                    say(line)

            stack.enter_context(RuntimeSearch(classifier, options.threads, say_of_first))
        run(loop, show, camera, source)


def teach(options: argparse.Namespace, on_loaded: Callable[[], None]) -> None:
    """Record and learn while the picture is labelled.

    Args:
        options: From `parse`.
        on_loaded: Called when much was loaded that stays.

    Raises:
        UserError: There is no display, a label can't be a folder's name, or the source is of
            single pictures.
    """
    # Loaded only now: what learns is of no use to a model that is finished.
    from webcam_classifier.backbone.load import default_backbone
    from webcam_classifier.display.window import Window, display_problem
    from webcam_classifier.teaching.session import TeachingSession
    from webcam_classifier.teaching.training_job import TrainingJobs
    from webcam_classifier.training.same_project import check_same_project
    from webcam_classifier.ui.record_window import TEACH_TITLE, RecordWindow
    from webcam_classifier.ui.record_words import describe_teaching
    from webcam_classifier.ui.save_job import SaveJob

    problem = display_problem()
    if problem is not None:
        raise UserError(f"{problem} To train from a browser: `python studio.py`.")
    dataset = options.dataset or DATASET
    output = options.output or MODELS / (dataset.resolve().name or "model")
    if options.output is None:
        check_same_project(output, dataset)
    runtime = ExecutionConfig(
        CPU if options.provider == AUTO else options.provider, options.threads
    )
    with ExitStack() as stack:
        camera = stack.enter_context(open_camera(options.source, capture_settings(options)))
        source = source_facts(options.source, camera)
        if source.are_pictures:
            raise UserError(
                f"--teach records from a camera or a video, and {options.source} gives single "
                f"pictures. Put them into folders, {dataset}/LABEL/, and start without --source."
            )
        crop = crop_of_source(options.crop, options.source, capture_settings(options), camera)
        if crop is not None:
            write_crop(dataset, crop)
        session = stack.enter_context(
            TeachingSession(
                dataset,
                default_backbone(),
                options.teach,
                runtime=runtime,
                rate=options.rate or RATE,
                on_loaded=on_loaded,
            )
        )
        if len(session):
            say(f"continuing with the {len(session)} pictures in {dataset}")
        session.classifier.warm_up()
        say(f"source {camera.description}\nruns on {session.classifier.runtime}")
        writer = SaveJob(session, stack.enter_context(TrainingJobs()), output, say)
        video = open_video(options, source, stack)
        hooks, on_status = [session.observe], [say_status]
        events = open_events(
            options,
            say,
            stack,
            labels=options.teach,
            model=output,
            source=source,
        )
        if events is not None:
            hooks.append(events.take)
            on_status.append(events.take_status)
        mirrored = camera.is_device if options.mirror is None else options.mirror
        window = RecordWindow(
            stack.enter_context(Window(TEACH_TITLE)), session, writer, mirrored=mirrored
        )
        loop = LiveLoop(
            camera,
            session.classifier,
            smoothing=smoothing(options, camera),
            file_rate=source.file_rate,
            frame_limit=options.frames,
            record=all_of(hooks),
            on_status=all_of(on_status),
        )
        try:
            run(loop, Show(source, video=video, draw=window.picture, window=window), camera, source)
        finally:
            writer.finish()
            state, learning = session.state(), session.learning_state()
            say(describe_teaching(state, learning, output, writer.is_written))


def run(loop: LiveLoop, show: Show, camera: Camera, source: SourceFacts) -> None:
    """Run the loop to its end, and say how it went, whatever ended it."""
    try:
        with loop:
            show.run(loop)
    finally:
        say(describe_end(loop, show, camera, source))


def all_of(hooks: Sequence[Callable[[_Told], None]]) -> Callable[[_Told], None]:
    """Make one hook of several, which are called in order."""

    def call(told: _Told) -> None:
        for hook in hooks:
            hook(told)

    return call


def smoothing(options: argparse.Namespace, camera: Camera) -> float:
    """The seconds that predictions are smoothed over; of a file each frame counts."""
    if options.smoothing is not None:
        return float(options.smoothing)
    default = SMOOTHING if options.teach is None else TEACHING_SMOOTHING
    return default if camera.is_live else 0.0


def open_show(
    options: argparse.Namespace,
    source: SourceFacts,
    is_device: bool,
    stack: ExitStack,
    switch: ModelSwitch,
) -> Show:
    """Open the terminal, the video file and the window, as far as they are wanted.

    Args:
        options: From `parse`.
        source: What is known of the source.
        is_device: Whether it is a camera that somebody may stand in front of.
        stack: Closes what is opened.
        switch: Holds the model, which may become another one.

    Raises:
        UserError: The video file can't be written.
    """
    top = options.top or TOP
    video = open_video(options, source, stack)
    window = open_window(options, source, is_device, stack, switch)
    words = sys.stderr if options.json_lines == "-" else sys.stdout
    needs_words = source.are_pictures or window is None
    terminal = TerminalLines(words, top) if needs_words else None
    explanation = (
        explanation_of(switch.classifier) if options.explain and video is not None else None
    )

    def draw(labelled: LabelledFrame, status: str) -> BgrImage:
        image = labelled.frame.image
        if explanation is not None:
            image = image.copy()
            explanation.draw(image, labelled.frame.image, labelled.steady)
        return drawn(image, labelled, status, switch.classifier.crop, top)

    return Show(
        source, terminal=terminal, video=video, draw=draw, window=window, notifier=notifier_of()
    )


def drawn(
    image: BgrImage, labelled: LabelledFrame, status: str, crop: Crop | None, top: int
) -> BgrImage:
    """Draw a copy of a picture with what is seen in it.

    Args:
        image: (height, width, 3) uint8, of the frame.
        labelled: What is seen.
        status: How fast and how old.
        crop: The part that is looked at.
        top: How many labels get a bar.
    """
    # Loaded only now, as the window is: a start that draws nothing is quicker.
    from webcam_classifier.display.crop_frame import draw_crop
    from webcam_classifier.ui.overlay import draw_prediction

    view: BgrImage = image.copy()
    draw_crop(view, crop)
    return draw_prediction(view, labelled.steady, top=top, status=status)


def open_video(
    options: argparse.Namespace, source: SourceFacts, stack: ExitStack
) -> VideoFile | None:
    """Open the video file, where one is wanted.

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
    stack.callback(say_saved, options.save)  # after the file was moved into its place
    return stack.enter_context(VideoFile(options.save, source.file_rate))


def open_window(
    options: argparse.Namespace,
    source: SourceFacts,
    is_device: bool,
    stack: ExitStack,
    switch: ModelSwitch,
) -> LiveWindow | None:
    """Open the window, where one is wanted and there is a display; say so where there is none.

    Args:
        options: From `parse`.
        source: What is known of the source.
        is_device: A camera is shown like a mirror, as people know themselves.
        stack: Closes the window.
        switch: Holds the model, which may become another one.
    """
    if not (not source.are_pictures if options.window is None else options.window):
        return None
    # Loaded only now: fonts and windows would slow down every start on a device without them.
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
        switch.classifier.crop,
        lambda: explanation_of(switch.classifier),
    )
    switch.on_change(window.change_model)
    if options.explain:
        window.explain()
    return window


def explanation_of(classifier: Classifier) -> Explanation:
    """Prepare to draw where a model found its label.

    Raises:
        UserError: Its network can't tell where it looked.
    """
    # Loaded only now: it takes longer to load than all else, and is seldom asked for.
    from webcam_classifier.ui.explanation import Explanation

    return Explanation(classifier)


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
        lines += [f"  skipped {printable(path)}: {reason}" for path, reason in camera.skipped]
        return "\n".join(lines)
    lines = [describe_run(loop.counter, loop.dropped_frames, loop.stages | show.stages)]
    lines += [f"  {printable(path)}: {reason}" for path, reason in camera.skipped]
    return "\n".join(lines)


def say_saved(path: Path) -> None:
    """Say where the video is, where there is one."""
    if path.is_file():
        say(f"saved  {path}")


def say_status(status: CameraStatus) -> None:
    """Say that pictures stopped coming, or come again."""
    say(status_sentence(status))


def say(line: str) -> None:
    """Tell the person at the terminal; the standard output is kept for labels."""
    print(as_installed(line), file=sys.stderr, flush=True)
