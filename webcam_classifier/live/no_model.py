"""A classifier that knows no label: for a loop that only brings frames to who records them."""

from __future__ import annotations

import numpy as np

from webcam_classifier.frame import BgrImage
from webcam_classifier.prediction import Prediction

_NOTHING = Prediction((), np.empty(0, np.float32))


class NoModel:
    """What `LiveLoop` takes where no model is there; see `FrameClassifier`."""

    def prepare(self, image: BgrImage) -> BgrImage:
        """The picture as it is."""
        return image

    def classify_prepared(self, prepared: BgrImage) -> Prediction:  # noqa: ARG002  as promised
        """A prediction without labels."""
        return _NOTHING
