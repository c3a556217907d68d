"""`live --region`: several parts of one picture, each labelled by its own model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.camera.protocol import Camera
from webcam_classifier.cli.crop_argument import crop_of_source
from webcam_classifier.cli.live_display import describe_card, run, say
from webcam_classifier.cli.live_model import open_live_model
from webcam_classifier.cli.live_outputs import build_loop, open_outputs
from webcam_classifier.cli.region_argument import RegionArgument
from webcam_classifier.cli.runtime_search import SearchesInTurn, first_runtime
from webcam_classifier.cli.source_arguments import capture_settings, open_source
from webcam_classifier.crop import Crop
from webcam_classifier.errors import UserError
from webcam_classifier.live.region import PartClassifier, Region
from webcam_classifier.model.classifier import Classifier, find_model
from webcam_classifier.runtime.choice import choose_runtime
from webcam_classifier.runtime.providers import CPU, ExecutionConfig, RuntimeChoice


@dataclass(eq=False)
class _OpenModel:
    """A model file that one or more regions use.

    Attributes:
        classifier: Opened and warmed up.
        choice: What it runs on, and why.
        others_are_left: Whether other runtimes are still to be tried.
    """

    classifier: Classifier
    choice: RuntimeChoice
    others_are_left: bool


def watch_regions(options: argparse.Namespace) -> None:
    """Label several parts of the picture, each with its own model.

    Args:
        options: From `live_arguments.parse`, with regions.

    Raises:
        UserError: A region's model can't be used, or its part is not within the picture. The
            sentence names the region.
    """
    asked: Sequence[RegionArgument] = options.region
    models: dict[Path, _OpenModel] = {}  # a file that several regions name is opened once
    files = {region.name: _open(region, options, models) for region in asked}
    with ExitStack() as stack:
        camera = stack.enter_context(open_source(options))
        if not camera.is_live:
            _choose_for_all(models, options)
        parts = {
            region.name: PartClassifier(
                files[region.name].classifier,
                _crop_of(region, files[region.name].classifier, options, camera),
            )
            for region in asked
        }
        for name, part in parts.items():
            where = "" if part.crop is None else f"\n       looks at {part.crop.describe()}"
            say(f"region {name}: {part.model.path}: {describe_card(part.model.card)}{where}")
        say(f"source {camera.description}")
        for model in models.values():
            runtime, reason = model.classifier.runtime, model.choice.reason
            say(f"runs on {runtime} ({reason}): {model.classifier.path}")
        _label(options, parts, models, camera, stack)


def _label(
    options: argparse.Namespace,
    parts: Mapping[str, PartClassifier],
    models: Mapping[Path, _OpenModel],
    camera: Camera,
    stack: ExitStack,
) -> None:
    """Open what the labels go to, and run the loop."""
    outputs = open_outputs(
        options,
        camera,
        stack,
        parts,
        lambda path: open_live_model(path, ExecutionConfig(CPU, 1), options),
    )
    regions = [Region(name, part, str(part.model.path)) for name, part in parts.items()]
    loop = build_loop(options, camera, regions, outputs)
    left = [model.classifier for model in models.values() if model.others_are_left]
    if left and camera.is_live:
        stack.enter_context(SearchesInTurn(left, options.threads, say))
    run(loop, outputs.display, camera, outputs.source, outputs.advice)


def _open(
    region: RegionArgument, options: argparse.Namespace, models: dict[Path, _OpenModel]
) -> _OpenModel:
    """Open a region's model, or return it if another region has opened it already.

    Raises:
        UserError: It can't be used.
    """
    with _named(region):
        path = find_model(region.model)
        key = path.resolve()
        if key not in models:
            choice, others_are_left = first_runtime(path, options.provider, options.threads, say)
            classifier = open_live_model(path, choice.runtime, options)
            models[key] = _OpenModel(classifier, choice, others_are_left)
        return models[key]


def _choose_for_all(models: Mapping[Path, _OpenModel], options: argparse.Namespace) -> None:
    """Try all runtimes first: a file can wait, and all of it is labelled by one runtime."""
    for model in models.values():
        if model.others_are_left:
            path = model.classifier.path
            model.choice = choose_runtime(path, options.provider, options.threads, say)
            model.classifier.change_runtime(model.choice.runtime)
            model.others_are_left = False


def _crop_of(
    region: RegionArgument, classifier: Classifier, options: argparse.Namespace, camera: Camera
) -> Crop | None:
    """Return a region's part of the picture: as asked for, or as its model was trained."""
    asked = crop_of_source(region.crop, options.source, capture_settings(options), camera)
    return asked or classifier.card.crop


@contextmanager
def _named(region: RegionArgument) -> Iterator[None]:
    """Name the region in an error about its model."""
    try:
        yield
    except UserError as error:
        raise UserError(f"The region {region.name}: {error}") from error
