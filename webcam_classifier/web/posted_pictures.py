"""Label pictures that somebody sends, as the live picture is labelled, and beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from webcam_classifier.dataset.picture_files import PictureError, decode_picture
from webcam_classifier.errors import UserError
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
        problem = picture_problem(content)
        if problem is not None:
            raise UserError(f"The picture is {problem}.")
        with self._lock:
            try:
                image = decode_picture(content)
            except PictureError as error:
                raise UserError(
                    f"This is no picture that can be used: {error}. Send a JPEG or PNG file."
                ) from error
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
            own = self._opened(current.path)
            if own.card != current.card:
                raise UserError(
                    f"{current.path} is another model than the one that runs. Start again to run "
                    "it."
                )
            self._own = current, own
        return self._own[1]
