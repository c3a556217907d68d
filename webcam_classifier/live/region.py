"""A region: a named part of the picture with its own model and its own smoothed label.

A whole picture labelled by one model is a region without a name.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from webcam_classifier.crop import Crop
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.smoothing import SteadyPrediction, smooth
from webcam_classifier.prediction import Prediction

if TYPE_CHECKING:  # recording does not need what runs a model
    from webcam_classifier.model.classifier import Classifier


class FrameClassifier(Protocol):
    """Labels pictures in two steps that are timed separately; `Classifier` does."""

    def prepare(self, image: BgrImage) -> BgrImage:
        """Resize a picture to the input size of the model.

        Args:
            image: (height, width, 3) uint8, of any size.

        Returns:
            What `classify_prepared` takes; for a model (input size, input size, 3) uint8.
        """

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Classify a prepared picture; its labels may differ from those of earlier predictions."""


class PartClassifier:
    """Labels one part of each picture with a model that other parts may share.

    A model file that several regions use is opened once. So the parts that share it must be
    classified one after another, from one thread.

    Args:
        model: The model; its crop is set for each picture.
        crop: The part; None is the whole picture.

    Attributes:
        model: The model.
        crop: The part.
    """

    def __init__(self, model: Classifier, crop: Crop | None) -> None:
        self.model = model
        self.crop = crop

    def prepare(self, image: BgrImage) -> BgrImage:
        """Cut out the part and resize it to the input size of the model."""
        self.model.crop = self.crop
        return self.model.prepare(image)

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Classify a part from `prepare`."""
        return self.model.classify_prepared(prepared)


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the picture and its classifier.

    Attributes:
        name: Empty if one model labels the whole picture.
        classifier: Labels this part of each frame.
        model: The path of its file, for `LabelledFrame.model`.
    """

    name: str
    classifier: FrameClassifier
    model: str = ""


@dataclass(frozen=True, eq=False)
class Answer:
    """The prediction for one frame, and how long it took.

    Attributes:
        prediction: For this frame alone.
        model: The path of the model file.
        preprocessing_seconds: How long the crop and the resize took.
        inference_seconds: How long the graph ran.
    """

    prediction: Prediction
    model: str
    preprocessing_seconds: float
    inference_seconds: float


class RegionLabeller:
    """Labels one region, frame after frame; used from one thread, except `change_classifier`.

    Args:
        region: The region.
        smoothing: Roughly how many seconds a clear change takes to be accepted; 0 is off.

    Attributes:
        name: The name of the region.
    """

    def __init__(self, region: Region, smoothing: float) -> None:
        self.name = region.name
        self._current = region  # replaced in one assignment, so it needs no lock
        self._labelled_by = region
        self._smoothing = smoothing
        self._steady: SteadyPrediction | None = None

    def change_classifier(self, classifier: FrameClassifier, model: str) -> None:
        """Label with another classifier from the next frame on; any thread may call this."""
        self._current = Region(self.name, classifier, model)

    def ask(self, image: BgrImage) -> Answer:
        """Classify a frame.

        Args:
            image: (height, width, 3) uint8, the whole frame.
        """
        region = self._current  # the same for both steps, although it may change in between
        if region is not self._labelled_by:
            self._labelled_by, self._steady = region, None
        started_at = time.monotonic()
        prepared = region.classifier.prepare(image)
        prepared_at = time.monotonic()
        prediction = region.classifier.classify_prepared(prepared)
        inference = time.monotonic() - prepared_at
        return Answer(prediction, region.model, prepared_at - started_at, inference)

    def forget(self) -> None:
        """Restart smoothing, because what was seen before may be gone."""
        self._steady = None

    def smoothed(self, prediction: Prediction, at: float) -> Prediction:
        """Take one more prediction into account, and return the smoothed one.

        Args:
            prediction: For the newest frame.
            at: When the frame was captured, in seconds; for a file, in the time of the video.
        """
        self._steady = smooth(self._steady, prediction, at, self._smoothing)
        return self._steady.prediction
