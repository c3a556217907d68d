"""Test whether the heads of cross-validation depend on the background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.backbone.load import Backbone
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.evaluation.background_dependence import BackgroundCheck, check_background
from webcam_classifier.frame import BgrImage
from webcam_classifier.head.learner import Calibration


def check_left_out(
    pictures: LabelledPictures, calibration: Calibration, backbone: Backbone
) -> BackgroundCheck | None:
    """Classify each picture with its object hidden, by the head that never saw its burst.

    A head that saw the burst would recognise its background, whatever it is.

    Args:
        pictures: Those that were cross-validated, in their order.
        calibration: What was found.
        backbone: The frozen network.

    Returns:
        See `check_background`.
    """
    found = calibration.found
    order = np.argsort(found.asked)
    asked, head_of = found.asked[order], found.head_of[order]
    originals = calibration.views.is_original
    truths = calibration.views.label_indices[originals][asked]

    def ask(places: NDArray[np.int64], images: Sequence[BgrImage]) -> list[str]:
        embeddings = FeatureExtractor(backbone.features).embed(images)
        return [
            calibration.labels[int(found.heads[head].logits(row).argmax())]
            for head, row in zip(head_of[places].tolist(), embeddings, strict=True)
        ]

    return check_background(
        pictures.at(asked),
        calibration.views.bursts[originals][asked],
        found.logits[order].argmax(axis=1) == truths,
        backbone.input_size,
        ask,
    )
