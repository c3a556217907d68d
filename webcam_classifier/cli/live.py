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
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.crop_argument import crop_of_source
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.cli.live_arguments import build_parser as build_live_parser
from webcam_classifier.cli.live_arguments import parse
from webcam_classifier.cli.live_display import describe_card, run, say
from webcam_classifier.cli.live_model import open_live_model
from webcam_classifier.cli.live_outputs import build_loop, open_outputs
from webcam_classifier.cli.live_process import live_process, teaching_process
from webcam_classifier.cli.live_regions import watch_regions
from webcam_classifier.cli.live_teach import teach
from webcam_classifier.cli.output_arguments import MODELS
from webcam_classifier.cli.runtime_search import RuntimeSearch, first_runtime
from webcam_classifier.cli.source_arguments import capture_settings, open_source
from webcam_classifier.crop import Crop
from webcam_classifier.live.model_switch import ModelSwitch
from webcam_classifier.model.classifier import Classifier, find_model, newest_model
from webcam_classifier.runtime.choice import choose_runtime
from webcam_classifier.runtime.providers import CPU, ExecutionConfig


@library_messages()
def main(arguments: Sequence[str] | None = None) -> None:
    """Open everything that was asked for, run the loop, and print a summary."""
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
    """Build the parser of the command."""
    return build_live_parser(__doc__ or "")


def watch(options: argparse.Namespace) -> None:
    """Label with one model.

    Args:
        options: From `parse`.
    """
    path = newest_model(MODELS) if options.model is None else find_model(options.model)
    choice, others_are_left = first_runtime(path, options.provider, options.threads, say)
    classifier = open_live_model(path, choice.runtime, options)
    with ExitStack() as stack:
        camera = stack.enter_context(open_source(options))
        if others_are_left and not camera.is_live:
            # A file can wait, and all of it is labelled by one runtime.
            choice = choose_runtime(path, options.provider, options.threads, say)
            classifier.change_runtime(choice.runtime)
        say(f"model  {path}: {describe_card(classifier.card)}")
        say(f"source {camera.description}\nruns on {classifier.runtime} ({choice.reason})")
        crop = crop_of_source(options.crop, options.source, capture_settings(options), camera)
        classifier.crop = crop or classifier.crop
        if classifier.crop is not None:
            say(f"looks at {classifier.crop.describe()}")
        switch = ModelSwitch(classifier, options.models, _reopener(options, crop), say)
        outputs = open_outputs(
            options,
            camera,
            stack,
            switch,
            lambda file: open_live_model(file, ExecutionConfig(CPU, 1), options, crop),
        )
        loop = build_loop(options, camera, classifier, outputs)
        switch.use_loop(loop)
        if others_are_left and camera.is_live:
            stack.enter_context(_search_for(classifier, switch, options.threads))
        run(loop, outputs.display, camera, outputs.source, outputs.advice)


def _reopener(options: argparse.Namespace, crop: Crop | None) -> Callable[[Path], Classifier]:
    """Return what opens another model in place of the first one, on the runtime known for it."""

    def reopen(path: Path) -> Classifier:
        choice, _ = first_runtime(path, options.provider, options.threads, say)
        return open_live_model(path, choice.runtime, options, crop)

    return reopen


def _search_for(classifier: Classifier, switch: ModelSwitch, threads: int) -> RuntimeSearch:
    """Search for a faster runtime, and say nothing more once another model has taken over."""

    def say_of_first(line: str) -> None:
        if switch.classifier is classifier:
            say(line)

    return RuntimeSearch(classifier, threads, say_of_first)
