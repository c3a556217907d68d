"""Where the classifier of a live picture found its label, though it may change at any frame."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.crop import Crop, cropped
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.activation_map import ActivationMap
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import CARD_KEY, read_card
from webcam_classifier.preprocess import prepare
from webcam_classifier.storage import explain_os_error


class LiveActivationMap:
    """Finds where labels were found; one thread at a time may use it.

    It runs the network once more for each picture, beside the classifier's own session.
    """

    def __init__(self) -> None:
        self._classifier: Classifier | None = None
        self._map: ActivationMap | None = None
        self._problem = ""

    def heat(
        self, classifier: Classifier, crop: Crop | None, image: BgrImage, label: str
    ) -> NDArray[np.float32] | None:
        """Compute how much each place of a picture contributes to a label.

        Args:
            classifier: What labelled it.
            crop: The part of the picture that it used; None is all of it.
            image: (height, width, 3) uint8 BGR, as the camera gave it.
            label: The label.

        Returns:
            As from `ActivationMap.heat`, of that part of the picture; None if the classifier no
            longer has the label.

        Raises:
            UserError: The network can't tell where it looked, or its file was replaced or removed.
        """
        if classifier is not self._classifier:
            self._classifier, self._map, self._problem = classifier, None, ""
            try:
                self._map = _open(classifier)
            except UserError as error:
                self._problem = str(error)
        if self._map is None:
            raise UserError(self._problem)
        head = classifier.head  # replaced as a whole while it learns
        labels = classifier.card.labels if head is None else head.labels
        if label not in labels:
            return None
        prepared = prepare(cropped(image, crop), classifier.card.input_size)
        return self._map.heat(prepared, labels.index(label), head)


def _open(classifier: Classifier) -> ActivationMap:
    path = classifier.path
    try:
        graph = onnx.load(path, load_external_data=False)
        cards = [one.value for one in graph.metadata_props if one.key == CARD_KEY]
        is_same = not cards or read_card(cards[0], path) == classifier.card
    except OSError as error:
        raise UserError(explain_os_error(error, path, reading=True)) from error
    except Exception as error:  # protobuf's have no base class to import without its types
        raise UserError(f"{path} is no longer a model file, so no heat map is shown.") from error
    if not is_same:
        raise UserError(
            f"{path} is another model than the one that runs. Open it again to see where it looks."
        )
    return ActivationMap(graph, str(path))
