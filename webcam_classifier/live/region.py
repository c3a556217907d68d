"""A region: a part of the picture with a name, labelled by a model, with a steady label of its own.

The whole picture with its one model is a region without a name.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from webcam_classifier.crop import Crop
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.smoothing import SteadyPrediction, smooth
from webcam_classifier.prediction import Prediction

if TYPE_CHECKING:  # recording needs nothing that runs a model
    from webcam_classifier.model.classifier import Classifier


class FrameClassifier(Protocol):
    """What labels pictures, in two steps that are timed apart; `Classifier` is one."""

    def prepare(self, image: BgrImage) -> BgrImage:
        """Bring a picture of any size to the size that is classified."""

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Say what is on a prepared picture; its labels may be others than those before."""


class PartClassifier:
    """Labels one part of each picture with a model that other parts may share.

    Parts that share a model are asked one after another, from one thread: a model file that
    several regions name is opened once.

    Args:
        model: Its own crop is changed with every picture.
        crop: The part; None is all of the picture.

    Attributes:
        model: What is asked.
        crop: As it was given.
    """

    def __init__(self, model: Classifier, crop: Crop | None) -> None:
        self.model = model
        self.crop = crop

    def prepare(self, image: BgrImage) -> BgrImage:
        """Cut out the part and bring it to the size that is classified."""
        self.model.crop = self.crop
        return self.model.prepare(image)

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Say what is on the part that was prepared last."""
        return self.model.classify_prepared(prepared)


@dataclass(frozen=True, eq=False)
class Region:
    """What labels a part of the picture.

    Attributes:
        name: Empty where one model labels the picture.
        classifier: Looks at its part of each frame.
        model: Its file, for labelled frames.
    """

    name: str
    classifier: FrameClassifier
    model: str = ""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says about one frame.

    Attributes:
        prediction: About this frame alone.
        model: Its file.
        preprocessing_seconds: How long the crop and the resize took.
        inference_seconds: How long the graph ran.
    """

    prediction: Prediction
    model: str
    preprocessing_seconds: float
    inference_seconds: float


class RegionLabeller:
    """Labels one region frame after frame; used from one thread, except `change_classifier`.

    Args:
        region: What labels it.
        smoothing: Seconds that a clear change takes to be believed, about; 0 is off.

    Attributes:
        name: Of the region.
    """

    def __init__(self, region: Region, smoothing: float) -> None:
        self.name = region.name
        self._current = region  # changed by one assignment: no lock
        self._labelled_by = region
        self._smoothing = smoothing
        self._steady: SteadyPrediction | None = None

    def change_classifier(self, classifier: FrameClassifier, model: str) -> None:
        """Label with another classifier from the next frame on; any thread may call it."""
        self._current = Region(self.name, classifier, model)

    def ask(self, image: BgrImage) -> Answer:
        """Ask the model about a frame.

        Args:
            image: (height, width, 3) uint8, the whole frame.
        """
        region = self._current  # one for both steps: it may change between them
        if region is not self._labelled_by:
            self._labelled_by, self._steady = region, None
        started_at = time.monotonic()
        prepared = region.classifier.prepare(image)
        prepared_at = time.monotonic()
        prediction = region.classifier.classify_prepared(prepared)
        inference = time.monotonic() - prepared_at
        return Answer(prediction, region.model, prepared_at - started_at, inference)

    def forget(self) -> None:
        """Begin anew: whatever was there may have gone."""
        self._steady = None

    def steadied(self, prediction: Prediction, at: float) -> Prediction:
        """Take one more prediction into account, and say what all so far come to.

        Args:
            prediction: Of the newest frame.
            at: Seconds, in the time that the label lasts in.
        """
        self._steady = smooth(self._steady, prediction, at, self._smoothing)
        return self._steady.prediction
