"""`live --teach`: record and learn while the picture is labelled, in a window."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from webcam_classifier.camera.demo import hold_pose_while
from webcam_classifier.camera.protocol import Camera
from webcam_classifier.cli.crop_argument import crop_of_source
from webcam_classifier.cli.event_sinks import open_events
from webcam_classifier.cli.live_display import all_of, open_video, run, say, say_status, smoothing
from webcam_classifier.cli.output_arguments import model_folder
from webcam_classifier.cli.recording_arguments import DATASET, RATE
from webcam_classifier.cli.source_arguments import capture_settings, open_source
from webcam_classifier.command_names import typed
from webcam_classifier.dataset.crop_file import write_crop
from webcam_classifier.errors import UserError
from webcam_classifier.live.loop import LiveLoop
from webcam_classifier.runtime.choice import AUTO
from webcam_classifier.runtime.providers import CPU, ExecutionConfig
from webcam_classifier.ui.frame_display import FrameDisplay, SourceFacts, source_facts

if TYPE_CHECKING:
    from webcam_classifier.teaching.session import TeachingSession


def teach(options: argparse.Namespace, on_loaded: Callable[[], None]) -> None:
    """Record and learn while the picture is labelled.

    Args:
        options: From `parse`.
        on_loaded: Called once much has been loaded that stays in memory.

    Raises:
        UserError: There is no display, a label can't be the name of a folder, the source gives
            single pictures, or a model could not be saved at the end.
    """
    # Imported only now: a finished model needs nothing that learns.
    from webcam_classifier.display.window import Window, display_problem
    from webcam_classifier.teaching.training_job import TrainingJobs
    from webcam_classifier.training.same_project import check_same_project
    from webcam_classifier.ui.record_window import TEACH_TITLE, RecordWindow
    from webcam_classifier.ui.record_words import describe_teaching
    from webcam_classifier.ui.save_job import SaveJob

    problem = display_problem()
    if problem is not None:
        raise UserError(f"{problem} To train from a browser: `python studio.py`.")
    dataset = options.dataset or DATASET
    output = model_folder(options.output, dataset)
    if options.output is None:
        check_same_project(output, dataset)
    with ExitStack() as stack:
        camera = stack.enter_context(open_source(options))
        source = source_facts(options.source, camera)
        session = stack.enter_context(_open_session(options, dataset, camera, source, on_loaded))
        hold_pose_while(camera, lambda: session.is_recording)
        if len(session):
            say(f"continuing with the {len(session)} pictures in {dataset}")
        session.classifier.warm_up()
        say(f"source {camera.description}\nruns on {session.classifier.runtime}")
        writer = SaveJob(session, stack.enter_context(TrainingJobs()), output, say)
        video = open_video(options, source, stack)
        loop = _build_loop(options, session, output, camera, source, stack)
        mirrored = camera.is_device if options.mirror is None else options.mirror
        window = RecordWindow(
            stack.enter_context(Window(TEACH_TITLE)), session, writer, mirrored=mirrored
        )
        try:
            run(
                loop,
                FrameDisplay(source, video=video, draw=window.picture, window=window),
                camera,
                source,
            )
        finally:
            is_saved = writer.finish()
            state, learning = session.state(), session.learning_state()
            say(describe_teaching(state, learning, output, writer.is_written))
        if not is_saved:
            raise UserError(
                f"{output} has no model of these snapshots, for the reason above. They are all in "
                f"{dataset}: `python train.py {typed(dataset)}` makes a model of them."
            )


def _open_session(
    options: argparse.Namespace,
    dataset: Path,
    camera: Camera,
    source: SourceFacts,
    on_loaded: Callable[[], None],
) -> TeachingSession:
    """Open the data set, and the network that labels and learns.

    Raises:
        UserError: As for `teach`.
    """
    from webcam_classifier.backbone.load import default_backbone
    from webcam_classifier.teaching.session import TeachingSession

    if source.are_pictures:
        raise UserError(
            f"--teach records from a camera or a video, and {options.source} gives single "
            f"pictures. Put them into folders, {dataset}/LABEL/, and start without --source."
        )
    crop = crop_of_source(options.crop, options.source, capture_settings(options), camera)
    if crop is not None:
        write_crop(dataset, crop)
    provider = CPU if options.provider == AUTO else options.provider
    return TeachingSession(
        dataset,
        default_backbone(),
        options.teach,
        runtime=ExecutionConfig(provider, options.threads),
        rate=options.rate or RATE,
        on_loaded=on_loaded,
    )


def _build_loop(
    options: argparse.Namespace,
    session: TeachingSession,
    output: Path,
    camera: Camera,
    source: SourceFacts,
    stack: ExitStack,
) -> LiveLoop:
    """Build the loop that labels and records each frame, and open what its events go to.

    Raises:
        UserError: A file can't be written, an address can't be used, or a package is missing.
    """
    hooks, on_status = [session.observe], [say_status]
    events = open_events(
        options,
        say,
        stack,
        labels={"": options.teach},
        models={"": str(output)},
        source=source,
    )
    if events is not None:
        hooks.append(events.take)
        on_status.append(events.take_status)
    return LiveLoop(
        camera,
        session.classifier,
        smoothing=smoothing(options, camera),
        file_rate=source.file_rate,
        frame_limit=options.frames,
        record=all_of(hooks),
        on_status=all_of(on_status),
    )
