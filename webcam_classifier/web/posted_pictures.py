"""Label pictures that somebody sends, as the live picture is labelled, and beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from webcam_classifier.dataset.picture_files import PictureError, decode_picture
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.region import PartClassifier
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.web.live_messages import prediction_fields
from webcam_classifier.web.picture_problem import picture_problem


class PostedPictures:
    """Labels one picture at a time with a classifier of its own: the loop's is the loop's alone.

    Args:
        current: Gives the classifier of the loop; its file, card and crop are what counts.
        opened: Opens the same file on one thread of the processor.
    """

    def __init__(
        self, current: Callable[[], Classifier], opened: Callable[[Path], Classifier]
    ) -> None:
        self._current = current
        self._opened = opened
        self._own: tuple[Classifier, Classifier] | None = None  # the loop's, and ours beside it
        self._lock = threading.Lock()  # held while a picture is labelled

    def classify(self, content: bytes) -> dict[str, Any]:
        """Say what is on a picture; takes as long as it takes, so it is called in a thread.

        Args:
            content: A JPEG, PNG, BMP or WebP file.

        Raises:
            UserError: It is too large or no picture, or the model file was changed.
        """
        _refuse_problem(content)
        with self._lock:
            image = _decoded(content)
            current = self._current()
            classifier = self._beside(current)
            classifier.crop = current.crop
            prediction = classifier.classify(image)
        height, width = image.shape[:2]
        return {
            **prediction_fields(prediction),
            "model": str(current.path),
            "width": width,
            "height": height,
        }

    def _beside(self, current: Classifier) -> Classifier:
        if self._own is None or self._own[0] is not current:
            self._own = current, _same_model(current, self._opened)
        return self._own[1]


class PostedToRegions:
    """Labels one picture at a time in each region, with classifiers beside those of the loop.

    Args:
        parts: What labels each region, by its name.
        opened: Opens a model file on one thread of the processor.
    """

    def __init__(
        self, parts: Mapping[str, PartClassifier], opened: Callable[[Path], Classifier]
    ) -> None:
        self._parts = parts
        self._opened = opened
        self._own: dict[Classifier, Classifier] = {}  # beside the loop's; regions may share one
        self._lock = threading.Lock()  # held while a picture is labelled

    def classify(self, content: bytes) -> dict[str, Any]:
        """Say what is on each region of a picture; called in a thread, as it takes its time.

        Args:
            content: A JPEG, PNG, BMP or WebP file.

        Raises:
            UserError: It is too large or no picture, or a model file was changed.
        """
        _refuse_problem(content)
        with self._lock:
            image = _decoded(content)
            regions = {name: self._answer(part, image) for name, part in self._parts.items()}
        height, width = image.shape[:2]
        return {"regions": regions, "width": width, "height": height}

    def _answer(self, part: PartClassifier, image: BgrImage) -> dict[str, Any]:
        if part.model not in self._own:
            self._own[part.model] = _same_model(part.model, self._opened)
        own = self._own[part.model]
        own.crop = part.crop
        return {**prediction_fields(own.classify(image)), "model": str(part.model.path)}


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


def _same_model(current: Classifier, opened: Callable[[Path], Classifier]) -> Classifier:
    """Open the file of a classifier a second time."""
    own = opened(current.path)
    if own.card != current.card:
        raise UserError(
            f"{current.path} is another model than the one that runs. Start again to run it."
        )
    return own
