"""Retrain a head for smaller pictures with the same recipe, to be tested on the same pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.backbone.feature_graph import with_normalised_embedding
from webcam_classifier.backbone.load import Backbone
from webcam_classifier.dataset.facts import split_data_set
from webcam_classifier.dataset.labelled_pictures import (
    LabelledPictures,
    load_labelled_pictures,
    own_test_part,
)
from webcam_classifier.dataset.split import Split
from webcam_classifier.errors import UserError
from webcam_classifier.export.check_pictures import (
    MOST_FOR_CALIBRATION,
    UNKNOWN,
    CheckPictures,
    HeldBack,
    find_pictures,
    read_split,
)
from webcam_classifier.export.sized_features import features_at
from webcam_classifier.head.embedded_dataset import embed_labelled_pictures
from webcam_classifier.head.training_task import TrainingTask
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import METRICS_NAME, ModelCard
from webcam_classifier.preprocess import prepare
from webcam_classifier.sequences import evenly_spaced
from webcam_classifier.training.train_head import train_head

_logger = logging.getLogger(__name__)

_SIZES = (288, 256, 224, 192, 160, 128, 96)  # pixels
_MOST_SIZES = 3  # smaller than the model's
_MOST_COMPARED = 400  # pictures: the interval of a share of 0.95 is then 0.04 wide


@dataclass(frozen=True, eq=False)
class SizedModel:
    """A model in full precision, and the pictures to measure it with.

    Attributes:
        path: The file. It was not trained on the pictures whose truth is known.
        size: The side of the square picture, in pixels.
        pictures: Of that size, to calibrate with and to compare on.
    """

    path: Path
    size: int
    pictures: CheckPictures


@dataclass(frozen=True, eq=False)
class SizedModels:
    """A model at several input sizes.

    Attributes:
        models: The model at its own size comes first.
        notes: Which sizes are missing and why, and what else the user should know.
        command: The command that trained the model; empty if it is not known.
    """

    models: tuple[SizedModel, ...]
    notes: tuple[str, ...]
    command: str = ""


def sized_models(
    original: Classifier, dataset: Path | None, named: Path | None, folder: Path
) -> SizedModels:
    """Return the model as it is, and retrained for smaller pictures.

    If the model was trained on the test pictures after it had been measured, it is replaced by one
    that was not.

    Args:
        original: The model.
        dataset: The folder of its pictures; None takes the one that its card names.
        named: A folder of pictures to compare on instead, which rules out smaller sizes; None
            takes those held back.
        folder: For the files.

    Raises:
        UserError: There are no pictures to compare on.
    """
    card = original.card
    if named is not None:
        note = "smaller pictures are tried with those held back only, without --pictures"
        return _as_it_is(original, dataset, named, note)
    held = read_split(original.path.with_name(METRICS_NAME), card)
    if card.mode != "head":
        return _as_it_is(original, dataset, None, "smaller pictures are tried for heads only")
    try:
        task = _training_task(card, held, dataset or Path(card.dataset))
        models = [_trained(original, task, held, card.input_size, folder)]
    except UserError as error:
        return _as_it_is(original, dataset, None, f"smaller pictures are not tried: {error}")
    notes: tuple[str, ...] = ()
    for size in [size for size in _SIZES if size < card.input_size][:_MOST_SIZES]:
        try:
            models.append(_trained(original, task, held, size, folder))
        except UserError as error:
            notes = (f"{size} pixels are not tried: {error}",)
            break
    return SizedModels(tuple(models), notes, held.command)


def _as_it_is(
    original: Classifier, dataset: Path | None, named: Path | None, note: str
) -> SizedModels:
    card = original.card
    pictures = find_pictures(original.path, card, dataset, named)
    chosen = np.flatnonzero(pictures.truths != UNKNOWN)
    if chosen.size == 0:
        chosen = np.arange(len(pictures.compared))
        note += (
            "; and the accuracy of each can't be measured: what decides is whether answers change"
        )
    places = evenly_spaced(chosen.tolist(), _MOST_COMPARED)
    pictures = replace(
        pictures,
        compared=tuple(pictures.compared[place] for place in places),
        truths=pictures.truths[places],
    )
    model = SizedModel(original.path, card.input_size, pictures)
    return SizedModels((model,), (note, *pictures.notes))


def _training_task(card: ModelCard, held: HeldBack, dataset: Path) -> TrainingTask:
    """Reconstruct the task that a model was trained with.

    Raises:
        UserError: Its pictures are missing or have changed.
    """
    if not dataset.is_dir():
        raise UserError(
            f"The pictures that it was trained with are not in {dataset}. If they have moved, say "
            "where they are with --dataset FOLDER."
        )
    pictures = load_labelled_pictures(dataset, card.input_size, card.crop)
    if pictures.data_hash != card.data_hash:
        raise UserError(
            f"The pictures in {dataset} are not those that it was trained with any more. Train it "
            "again with `python train.py`."
        )
    test = None
    if held.test_folder is not None:
        test = own_test_part(
            load_labelled_pictures(Path(held.test_folder), card.input_size, card.crop)
        )
    split, _ = split_data_set(pictures, hold_test=test is None)
    if held.test or test is not None:  # otherwise it learnt from all, and some are held back now
        split = _split_as_before(split, pictures, held)
    if not len(pictures.at(split.test) if test is None else test):
        raise UserError("No test pictures can be held back.")
    return TrainingTask(
        pictures, split, test, card.backbone, card.input_size,
        held.seed, measured_only=True, started=0.0,
    )  # fmt: skip


def _split_as_before(split: Split, pictures: LabelledPictures, held: HeldBack) -> Split:
    parts = (held.training, held.validation, held.test)
    training, validation, test = (_places(pictures, names) for names in parts)
    return replace(split, training=training, validation=validation, test=test)


def _places(pictures: LabelledPictures, names: Sequence[str]) -> NDArray[np.int64]:
    known = {name: place for place, name in enumerate(pictures.names)}
    return np.array([known[name] for name in names], dtype=np.int64)


def _trained(
    original: Classifier, task: TrainingTask, held: HeldBack, size: int, folder: Path
) -> SizedModel:
    """Train a head for pictures of a size, or take the file itself if it has this size."""
    card = original.card
    pictures = _pictures(task, size)
    if size == card.input_size and not held.test_was_learnt:
        return SizedModel(original.path, size, pictures)
    features = features_at(onnx.load(original.path), size)
    _logger.info("training a head for %d pixels", size)
    task = replace(task, input_size=size)
    backbone = Backbone(card.backbone, size, with_normalised_embedding(features), card.weights)
    outcome = train_head(task, embed_labelled_pictures(task.pictures, backbone, seed=task.seed))
    path = folder / f"fp32-{size}.onnx"
    write_model(outcome.graph, replace(card, input_size=size), path)
    return SizedModel(path, size, pictures)


def _pictures(task: TrainingTask, size: int) -> CheckPictures:
    """Return the test pictures and some training pictures, prepared for the graph."""
    test = task.test_pictures or task.pictures.at(task.split.test)
    known = task.pictures.labels
    places = evenly_spaced(range(len(test)), _MOST_COMPARED)
    truths = [known.index(test.labels[test.label_indices[place]]) for place in places]
    training = evenly_spaced(task.split.training.tolist(), MOST_FOR_CALIBRATION)
    return CheckPictures(
        tuple(prepare(task.pictures.images[place], size) for place in training),
        tuple(prepare(test.images[place], size) for place in places),
        np.array(truths, dtype=np.int64),
        f"{len(places)} test pictures",
    )
