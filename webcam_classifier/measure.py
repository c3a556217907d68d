"""Ask a model file about labelled pictures, with the code that runs live."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from webcam_classifier.console import progress
from webcam_classifier.errors import UserError
from webcam_classifier.labelled_pictures import LabelledPictures
from webcam_classifier.metrics import Evaluation, evaluate_answers
from webcam_classifier.model import Classifier, Prediction


@dataclass(frozen=True, eq=False)
class Measured:
    """What a model said about labelled pictures.

    Attributes:
        evaluation: How right it was.
        predictions: For each picture, in the pictures' order.
        milliseconds: Median time from a picture in memory to its label.
    """

    evaluation: Evaluation
    predictions: tuple[Prediction, ...]
    milliseconds: float


def measure(classifier: Classifier, pictures: LabelledPictures) -> Measured:
    """Ask a model about each picture.

    Args:
        classifier: The model.
        pictures: With labels that the model knows, not necessarily all of them.

    Raises:
        UserError: The folder has a label that the model does not know, or no pictures.
    """
    known = classifier.card.labels
    check_labels(pictures, known)
    classifier.warm_up()
    predictions: list[Prediction] = []
    seconds: list[float] = []
    for image in progress(pictures.images, "classifying"):
        started = time.perf_counter()
        predictions.append(classifier.classify(image))
        seconds.append(time.perf_counter() - started)
    places = np.array([known.index(label) for label in pictures.labels], dtype=np.int64)
    truths = places[pictures.label_indices]
    answers = np.array([known.index(found.label) for found in predictions], dtype=np.int64)
    evaluation = evaluate_answers(known, truths, answers)
    return Measured(evaluation, tuple(predictions), float(np.median(seconds)) * 1000.0)


def check_labels(pictures: LabelledPictures, known: tuple[str, ...]) -> None:
    """Refuse pictures that a model of these labels can't be asked about.

    Raises:
        UserError: A folder's label is unknown, or there is no picture at all.
    """
    unknown = [label for label in pictures.labels if label not in known]
    if unknown:
        raise UserError(
            f"{pictures.folder} has labels that the model was not taught: {', '.join(unknown)}. "
            f"It knows {', '.join(known)}; rename or move the folders that differ."
        )
    if not len(pictures):
        raise UserError(
            f"{pictures.folder} holds no readable picture of {', '.join(known)}. Put pictures "
            "into one folder for each label."
        )
