"""Ask a model file about labelled pictures, with the code that runs live."""

from __future__ import annotations

import time

import numpy as np

from webcam_classifier.console import progress
from webcam_classifier.errors import UserError
from webcam_classifier.labelled_pictures import LabelledPictures
from webcam_classifier.metrics import Evaluation, evaluate_answers
from webcam_classifier.model import Classifier


def measure(classifier: Classifier, pictures: LabelledPictures) -> tuple[Evaluation, float]:
    """Ask a model about each picture.

    Args:
        classifier: The model.
        pictures: With labels that the model knows, not necessarily all of them.

    Returns:
        The evaluation, and the median milliseconds from a picture in memory to its label.

    Raises:
        UserError: The folder has a label that the model does not know, or no pictures.
    """
    known = classifier.card.labels
    check_labels(pictures, known)
    classifier.warm_up()
    answers: list[int] = []
    seconds: list[float] = []
    for image in progress(pictures.images, "classifying"):
        started = time.perf_counter()
        prediction = classifier.classify(image)
        seconds.append(time.perf_counter() - started)
        answers.append(known.index(prediction.label))
    places = np.array([known.index(label) for label in pictures.labels], dtype=np.int64)
    truths = places[pictures.label_indices]
    evaluation = evaluate_answers(known, truths, np.array(answers, dtype=np.int64))
    return evaluation, float(np.median(seconds)) * 1000.0


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
