"""What labels the live picture: the head that learns at once, or a model file that was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from webcam_classifier.crop import Crop
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.region import PartClassifier
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.prediction import Prediction


class WatchedClassifier:
    """Answers with the head or with a model, which may be changed while the loop runs.

    The head's network looks at every frame in either case: what is recorded is learnt from that.

    Args:
        head: Used from the loop's thread alone.
    """

    def __init__(self, head: Classifier) -> None:
        self._head = head
        self._model: Classifier | None = None  # changed by one assignment, which needs no lock
        self._image: BgrImage | None = None

    @property
    def is_model(self) -> bool:
        """Whether a model file answers."""
        return self._model is not None

    @property
    def crop(self) -> Crop | None:
        """The part of the picture that the answers are about; None is all of it."""
        model = self._model
        return self._head.crop if model is None else model.crop

    @property
    def answering(self) -> PartClassifier:
        """What answers now, and about which part of the picture; for one that is opened beside."""
        model = self._model or self._head
        return PartClassifier(model, model.crop)

    @property
    def runtime(self) -> str:
        """What runs the network, for a person."""
        return self._head.runtime

    def watch_model(self, path: Path) -> None:
        """Let a model file answer from the next frame on.

        Raises:
            ModelError: It can't be used.
        """
        model = Classifier(path)
        model.warm_up()
        self._model = model

    def watch_head(self) -> None:
        """Let the head answer from the next frame on."""
        self._model = None

    def prepare(self, image: BgrImage) -> BgrImage:
        """Resize a picture to what the head's network takes; a model may take another size."""
        self._image = image
        return self._head.prepare(image)

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Answer about the picture that was prepared last."""
        answer = self._head.classify_prepared(prepared)
        model, image = self._model, self._image
        if model is None or image is None:
            return answer
        return replace(model.classify(image), embedding=answer.embedding, crop=answer.crop)

    def warm_up(self) -> None:
        """Run the head's network once."""
        self._head.warm_up()
