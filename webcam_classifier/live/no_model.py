"""A classifier without labels, for a loop that only records frames."""

from __future__ import annotations

import numpy as np

from webcam_classifier.frame import BgrImage
from webcam_classifier.prediction import Prediction

_NOTHING = Prediction((), np.empty(0, np.float32))


class NoModel:
    """What `LiveLoop` takes if there is no model; see `FrameClassifier`."""

    def prepare(self, image: BgrImage) -> BgrImage:
        """Return the picture as it is."""
        return image

    def classify_prepared(self, prepared: BgrImage) -> Prediction:  # noqa: ARG002  as promised
        """Return a prediction without labels."""
        return _NOTHING
