"""Where the labels of a running loop go: the window, the terminal, a video, the page, events."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.camera.protocol import Camera, CameraStatus
from webcam_classifier.cli.event_sinks import open_events
from webcam_classifier.cli.live_display import (
    all_of,
    drawn,
    open_display,
    say,
    say_status,
    smoothing,
)
from webcam_classifier.cli.serving import check_is_no_picture, open_serving
from webcam_classifier.cli.unknown_advice import UnknownAdvice
from webcam_classifier.events.event_stream import EventStream
from webcam_classifier.live.loop import LiveLoop
from webcam_classifier.live.model_switch import ModelSwitch
from webcam_classifier.live.region import FrameClassifier, PartClassifier, Region
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import UNKNOWN_NORMAL
from webcam_classifier.ui.frame_display import FrameDisplay, SourceFacts, source_facts


@dataclass(frozen=True, eq=False)
class LiveOutputs:
    """Everything that takes labelled frames.

    Attributes:
        source: What is known about the source of the frames.
        display: What the main thread shows.
        events: Turns changes of the label into events; None if nothing takes events.
        on_status: Takes the camera's status when it changes.
        advice: Says what to do if nearly everything is unknown.
    """

    source: SourceFacts
    display: FrameDisplay
    events: EventStream | None
    on_status: Callable[[CameraStatus], None]
    advice: UnknownAdvice


def open_outputs(
    options: argparse.Namespace,
    camera: Camera,
    stack: ExitStack,
    labelling: ModelSwitch | Mapping[str, PartClassifier],
    open_beside: Callable[[Path], Classifier],
) -> LiveOutputs:
    """Open everything that was asked for.

    Args:
        options: From `live_arguments.parse`.
        camera: Where the frames come from.
        stack: Closes what is opened.
        labelling: Holds the model and can change it; or the classifier of each region by its name.
        open_beside: Opens a model file once more, for pictures that are sent to the page.

    Raises:
        UserError: A file can't be written, an address can't be used, or a package is missing.
    """
    switch = labelling if isinstance(labelling, ModelSwitch) else None
    parts = {"": labelling.classifier} if isinstance(labelling, ModelSwitch) else _models(labelling)
    source = source_facts(options.source, camera)
    advice = UnknownAdvice(
        say,
        lambda: None if switch is None else switch.classifier.card,
        options.unknown or UNKNOWN_NORMAL,
    )
    display = open_display(options, source, camera.is_device, stack, switch, advice)
    check_is_no_picture(options, source)
    served = open_serving(
        options,
        say,
        stack,
        camera=camera,
        labelling=labelling,
        beside=open_beside,
        draw=lambda image, labelled, status: drawn(options, image, labelled, status, switch),
    )
    events = open_events(
        options,
        say,
        stack,
        labels={region: model.card.labels for region, model in parts.items()},
        models={region: str(model.path) for region, model in parts.items()},
        source=source,
        served=served,
    )
    on_status = [say_status if display.terminal is None else display.terminal.show_status]
    if events is not None:
        on_status.append(events.take_status)
        if switch is not None:
            events.change_model_with(switch.request)
    return LiveOutputs(source, display, events, all_of(on_status), advice)


def build_loop(
    options: argparse.Namespace,
    camera: Camera,
    classifier: FrameClassifier | Sequence[Region],
    outputs: LiveOutputs,
) -> LiveLoop:
    """Build the loop that labels the camera's frames for these outputs.

    Args:
        options: From `live_arguments.parse`.
        camera: Where the frames come from.
        classifier: Labels them, or the regions that do.
        outputs: From `open_outputs`.
    """
    return LiveLoop(
        camera,
        classifier,
        smoothing=smoothing(options, camera),
        file_rate=outputs.source.file_rate,
        frame_limit=options.frames,
        record=None if outputs.events is None else outputs.events.take,
        on_status=outputs.on_status,
    )


def _models(parts: Mapping[str, PartClassifier]) -> Mapping[str, Classifier]:
    return {region: part.model for region, part in parts.items()}
