"""The classifier of the studio's live picture: the head that is being trained, or a model file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from webcam_classifier.crop import Crop
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.region import PartClassifier
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.prediction import Prediction


class WatchedClassifier:
    """Classifies with the head or with a model; the choice can change while the loop is running.

    The head's network runs on every frame in either case: the embedding is used for training
    when the frame is recorded.

    Args:
        head: Used from the loop's thread only.
    """

    def __init__(self, head: Classifier) -> None:
        self._head = head
        self._model: Classifier | None = None  # replaced in one assignment, so it needs no lock
        self._image: BgrImage | None = None

    @property
    def is_model(self) -> bool:
        """Whether a model file labels the picture."""
        return self._model is not None

    @property
    def crop(self) -> Crop | None:
        """The part of the picture that is labelled; None is all of it."""
        model = self._model
        return self._head.crop if model is None else model.crop

    @property
    def answering(self) -> PartClassifier:
        """The current classifier with its part of the picture, for opening it a second time."""
        model = self._model or self._head
        return PartClassifier(model, model.crop)

    @property
    def runtime(self) -> str:
        """The runtime of the network, for a person."""
        return self._head.runtime

    def watch_model(self, path: Path) -> None:
        """Label with a model file from the next frame on.

        Raises:
            ModelError: It can't be used.
        """
        model = Classifier(path)
        model.warm_up()
        self._model = model

    def watch_head(self) -> None:
        """Label with the head from the next frame on."""
        self._model = None

    def prepare(self, image: BgrImage) -> BgrImage:
        """Resize a picture to the head's input size; a model may have another."""
        self._image = image
        return self._head.prepare(image)

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Classify the picture that was prepared last."""
        answer = self._head.classify_prepared(prepared)
        model, image = self._model, self._image
        if model is None or image is None:
            return answer
        return replace(model.classify(image), embedding=answer.embedding, crop=answer.crop)

    def warm_up(self) -> None:
        """Run the head's network once."""
        self._head.warm_up()
