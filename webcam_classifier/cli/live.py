"""Label what a camera sees, live: in a window, as JSON lines, as a video, or on the terminal.

$ python live.py                                        the newest model, the first camera
$ python live.py models/thumbs --source clip.mp4        a video file, at its own speed
$ python live.py --source photo.jpg                     what is on one picture
$ python live.py --source pictures/ --json-lines -      what is on every picture, for programs
$ python live.py --no-window --json-lines labels.jsonl  a device without a screen
$ python live.py --no-window --serve 0.0.0.0:8080       the same, watched from a browser elsewhere
$ python live.py --save annotated.mp4 --frames 300      a video of ten seconds
$ python live.py --source demo                          no camera at hand
$ python live.py --region gate=models/gate:0,0,0.5,1 --region lamp=models/lamp:0.5,0,0.5,1
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
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.crop_argument import crop_of_source
from webcam_classifier.cli.event_sinks import open_events
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.cli.live_arguments import build_parser as build_live_parser
from webcam_classifier.cli.live_arguments import parse
from webcam_classifier.cli.live_process import live_process, teaching_process
from webcam_classifier.cli.live_regions import watch_regions
from webcam_classifier.cli.live_show import (
    all_of,
    describe_card,
    drawn,
    open_show,
    run,
    say,
    say_status,
    smoothing,
)
from webcam_classifier.cli.live_teach import teach
from webcam_classifier.cli.output_arguments import MODELS
from webcam_classifier.cli.runtime_search import RuntimeSearch, first_runtime
from webcam_classifier.cli.serving import check_is_no_picture, open_serving
from webcam_classifier.cli.source_arguments import capture_settings
from webcam_classifier.crop import Crop
from webcam_classifier.live.loop import LiveLoop
from webcam_classifier.live.model_switch import ModelSwitch
from webcam_classifier.model.classifier import Classifier, find_model, newest_model
from webcam_classifier.model_card import UNKNOWN_NORMAL
from webcam_classifier.runtime.choice import choose_runtime
from webcam_classifier.runtime.providers import CPU, ExecutionConfig
from webcam_classifier.ui.show import source_facts


@library_messages()
def main(arguments: Sequence[str] | None = None) -> None:
    """Open everything that was asked for, run the loop, and say how it went."""
    options = parse(__doc__ or "", arguments)
    if options.teach is not None:
        with teaching_process() as on_loaded:
            teach(options, on_loaded)
    elif options.region:
        with live_process():
            watch_regions(options)
    else:
        with live_process():
            watch(options)


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
        check_is_no_picture(options, source)
        served = open_serving(
            options,
            say,
            stack,
            camera=camera,
            labelling=switch,
            beside=lambda path: opened(path, ExecutionConfig(CPU, 1)),
            draw=lambda image, labelled, status: drawn(options, image, labelled, status, switch),
        )
        events = open_events(
            options,
            say,
            stack,
            labels={"": classifier.card.labels},
            models={"": str(path)},
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
