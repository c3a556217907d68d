"""Draw where a model found its label, as a heat map."""

from __future__ import annotations

import numpy as np

from webcam_classifier.crop import WHOLE_PICTURE, cropped
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.activation_map import ActivationMap
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.heat_map import draw_heat_map
from webcam_classifier.prediction import Prediction
from webcam_classifier.preprocess import prepare


class Explanation:
    """Draws heat maps onto pictures; one thread at a time may use it.

    For each picture that is drawn, it runs the network once more, beside the one that labels.

    Args:
        classifier: The model, which must come from a model file with a head.
        is_cropped: Whether the pictures are cropped already, as those of a data set are.

    Raises:
        UserError: The network can't tell where it looked, see `ActivationMap`.
    """

    def __init__(self, classifier: Classifier, *, is_cropped: bool = False) -> None:
        self._map = ActivationMap.of_file(classifier.path)
        self._size = classifier.card.input_size
        self._crop = None if is_cropped else classifier.crop

    def draw(
        self, view: BgrImage, image: BgrImage, prediction: Prediction, *, mirrored: bool = False
    ) -> None:
        """Draw where the likeliest label was found, onto the part of the picture the model uses.

        Args:
            view: The picture as it is shown, (height, width, 3) uint8, changed in place.
            image: As the camera gave it, (height, width, 3) uint8.
            prediction: The prediction for it.
            mirrored: Whether the view is a mirror image.
        """
        prepared = prepare(cropped(image, self._crop), self._size)
        heat = self._map.heat(prepared, int(np.argmax(prediction.probabilities)))
        crop = self._crop or WHOLE_PICTURE
        if mirrored:
            heat, crop = np.ascontiguousarray(heat[:, ::-1]), crop.mirrored()
        draw_heat_map(crop.of(view), heat)
