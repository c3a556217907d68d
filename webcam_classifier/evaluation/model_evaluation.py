"""Evaluate a model file on labelled pictures, with the code that runs live."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.burst_numbers import number_bursts
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.metrics import Evaluation, evaluate_answers
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.prediction import Prediction
from webcam_classifier.preprocess import prepare
from webcam_classifier.progress import Stage, track


@dataclass(frozen=True, eq=False)
class ModelEvaluation:
    """A model's predictions for labelled pictures.

    Attributes:
        evaluation: Its accuracy and other figures.
        predictions: For each picture, in the pictures' order.
        milliseconds: Median time from a picture in memory to its label; nan without pictures.
        late_milliseconds: 95th percentile of it.
        runtime: What ran the model, with its version.
    """

    evaluation: Evaluation
    predictions: tuple[Prediction, ...]
    milliseconds: float
    late_milliseconds: float
    runtime: str


def evaluate_model(
    classifier: Classifier, pictures: LabelledPictures, cut_labels: Sequence[str] = ()
) -> ModelEvaluation:
    """Run a model on each picture.

    Args:
        classifier: The model.
        pictures: With labels that the model knows, not necessarily all of them; cropped as the
            model's card says.
        cut_labels: Labels with a single burst, of which other pictures were used for training.

    Raises:
        UserError: The folder has a label that the model does not know, or no pictures.
    """
    known = classifier.card.labels
    check_labels(pictures, known)
    classifier.warm_up()
    size = classifier.card.input_size
    predictions: list[Prediction] = []
    seconds: list[float] = []
    for image in track(Stage.EVALUATE, pictures.images):
        started = time.perf_counter()
        # Pictures of a data set are cropped as they are read, and must not be so again.
        predictions.append(classifier.classify_prepared(prepare(image, size)))
        seconds.append(time.perf_counter() - started)
    places = np.array([known.index(label) for label in pictures.labels], dtype=np.int64)
    truths = places[pictures.label_indices]
    answers = np.array([known.index(found.label) for found in predictions], dtype=np.int64)
    evaluation = evaluate_answers(
        known,
        truths,
        answers,
        is_unknown=np.array([found.is_unknown for found in predictions], dtype=np.bool_),
        bursts=bursts_of(pictures),
        cut_labels=cut_labels,
    )
    median, late = 1000.0 * np.percentile(seconds, (50.0, 95.0))
    return ModelEvaluation(
        evaluation, tuple(predictions), float(median), float(late), classifier.runtime
    )


def bursts_of(pictures: LabelledPictures) -> NDArray[np.int64]:
    """Number the bursts of pictures, by their names or by similarity.

    Args:
        pictures: In any order.

    Returns:
        (pictures,) int64; pictures of one burst have one number.
    """
    order = sorted(range(len(pictures)), key=pictures.names.__getitem__)
    bursts = np.zeros(len(pictures), dtype=np.int64)
    bursts[order] = number_bursts(
        [pictures.names[index] for index in order],
        pictures.label_indices[order],
        pictures.fingerprints[order],
    )
    return bursts


def no_evaluation(classifier: Classifier) -> ModelEvaluation:
    """Return an empty evaluation, for when no picture was held out."""
    nothing = np.zeros(0, dtype=np.int64)
    evaluation = evaluate_answers(classifier.card.labels, nothing, nothing)
    return ModelEvaluation(evaluation, (), math.nan, math.nan, classifier.runtime)


def check_labels(pictures: LabelledPictures, known: tuple[str, ...]) -> None:
    """Refuse pictures that a model with these labels can't be evaluated on.

    Raises:
        UserError: A folder's label is unknown, or there is no picture at all.
    """
    unknown = [label for label in pictures.labels if label not in known]
    if unknown:
        raise UserError(
            f"{pictures.folder} has labels that the model does not have: {', '.join(unknown)}. "
            f"It has {', '.join(known)}; rename or move the folders that differ."
        )
    if not len(pictures):
        raise UserError(
            f"{pictures.folder} holds no readable picture of {', '.join(known)}. Put pictures "
            "into one folder for each label."
        )
