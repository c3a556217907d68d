"""Label pictures that are sent in the same way as the live picture, without delaying it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from webcam_classifier.dataset.picture_files import PictureError, decode_picture
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.region import PartClassifier
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.web.live_messages import prediction_fields
from webcam_classifier.web.picture_problem import picture_problem


class PostedPictures:
    """Labels one picture at a time, with its own copies of the loop's classifiers.

    Args:
        current: Returns the loop's classifier of each region by its name, which is empty for the
            whole picture. Their files, cards, crops and heads are used.
        opened: Opens the file of a classifier a second time, on one CPU thread.
    """

    def __init__(
        self,
        current: Callable[[], Mapping[str, PartClassifier]],
        opened: Callable[[Classifier], Classifier],
    ) -> None:
        self._current = current
        self._opened = opened
        self._beside: dict[Classifier, Classifier] = {}  # the loop's, and ours
        self._lock = threading.Lock()  # held while a picture is labelled

    def classify(self, content: bytes) -> dict[str, Any]:
        """Classify a picture; to be called in a thread, as it may take long.

        Args:
            content: A JPEG, PNG, BMP or WebP file.

        Returns:
            `width` and `height`, and the fields of the prediction, or `regions` with those of each
            region. `model` is the path of the model; None for a head that is being trained.

        Raises:
            UserError: It is too large or not a picture, or a model file was changed.
        """
        _refuse_problem(content)
        with self._lock:
            image = _decoded(content)
            parts = self._current()
            used = {part.model for part in parts.values()}  # others are dropped
            self._beside = {own: ours for own, ours in self._beside.items() if own in used}
            answers = {name: self._answer(part, image) for name, part in parts.items()}
        height, width = image.shape[:2]
        found = answers.get("", {"regions": answers})
        return {**found, "width": width, "height": height}

    def _answer(self, part: PartClassifier, image: BgrImage) -> dict[str, Any]:
        if part.model not in self._beside:
            self._beside[part.model] = _same_model(part.model, self._opened)
        own = self._beside[part.model]
        own.crop, own.head = part.crop, part.model.head
        answer = prediction_fields(own.classify(image))
        return {**answer, "model": str(own.path) if own.card.labels else None}


def _refuse_problem(content: bytes) -> None:
    problem = picture_problem(content)
    if problem is not None:
        raise UserError(f"The picture is {problem}.")


def _decoded(content: bytes) -> BgrImage:
    try:
        return decode_picture(content)
    except PictureError as error:
        raise UserError(
            f"This is no picture that can be used: {error}. Send a JPEG or PNG file."
        ) from error


def _same_model(current: Classifier, opened: Callable[[Classifier], Classifier]) -> Classifier:
    """Open the file of a classifier a second time.

    Raises:
        UserError: The file now has another model.
    """
    own = opened(current)
    if own.card != current.card:
        raise UserError(
            f"{current.path} is another model than the one that runs. Start again to run it."
        )
    return own
