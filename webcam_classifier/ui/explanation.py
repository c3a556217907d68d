"""Draw where a model found its label: heat over the places that speak for it."""

from __future__ import annotations

import numpy as np

from webcam_classifier.crop import WHOLE_PICTURE, cropped
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.activation_map import ActivationMap
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.heat import draw_heat
from webcam_classifier.prediction import Prediction
from webcam_classifier.preprocess import prepare


class Explanation:
    """Draws heat onto pictures of a model; one thread at a time may use it.

    It runs the network once more for each picture that is drawn, beside the one that labels.

    Args:
        classifier: The model, which must be of a file with a head of its own.
        is_cropped: Whether pictures are those of a data set, which are cropped as they are read.

    Raises:
        UserError: Its network can't tell where it looked.
    """

    def __init__(self, classifier: Classifier, *, is_cropped: bool = False) -> None:
        self._map = ActivationMap.of_file(classifier.path)
        self._size = classifier.card.input_size
        self._crop = None if is_cropped else classifier.crop

    def draw(
        self, view: BgrImage, image: BgrImage, prediction: Prediction, *, mirrored: bool = False
    ) -> None:
        """Draw where the likeliest label was found, onto the part that the model looks at.

        Args:
            view: The picture as it is shown, (height, width, 3) uint8, changed in place.
            image: As the camera gave it, (height, width, 3) uint8.
            prediction: What was said about it.
            mirrored: Whether the view is a mirror image.
        """
        prepared = prepare(cropped(image, self._crop), self._size)
        heat = self._map.heat(prepared, int(np.argmax(prediction.probabilities)))
        crop = self._crop or WHOLE_PICTURE
        if mirrored:
            heat, crop = np.ascontiguousarray(heat[:, ::-1]), crop.mirrored()
        draw_heat(crop.of(view), heat)
