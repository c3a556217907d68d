"""Label pictures that somebody sends, as the live picture is labelled, and beside it."""

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
    """Labels one picture at a time with classifiers of its own: those of the loop are its alone.

    Args:
        current: Gives what labels each region now, by its name; one without a name is the whole
            picture. Their files, cards, crops and heads are what counts.
        opened: Opens the file of a classifier a second time, on one thread of the processor.
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
        """Say what is on a picture; takes as long as it takes, so it is called in a thread.

        Args:
            content: A JPEG, PNG, BMP or WebP file.

        Returns:
            Width and height, and the answer of the one model, or `regions` by their names. `model`
            is its file; None if a head answers that is being taught.

        Raises:
            UserError: It is too large or no picture, or a model file was changed.
        """
        _refuse_problem(content)
        with self._lock:
            image = _decoded(content)
            parts = self._current()
            used = {part.model for part in parts.values()}  # what is not any more is let go
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
    """Open the file of a classifier a second time."""
    own = opened(current)
    if own.card != current.card:
        raise UserError(
            f"{current.path} is another model than the one that runs. Start again to run it."
        )
    return own
