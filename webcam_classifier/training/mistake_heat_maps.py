"""Compute heat maps that show what each of the worst mistakes was predicted from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.backbone.load import Backbone
from webcam_classifier.errors import UserError
from webcam_classifier.head.lda import append_head
from webcam_classifier.model.activation_map import ActivationMap
from webcam_classifier.preprocess import prepare
from webcam_classifier.report.findings import Findings


def find_mistake_heat_maps(
    findings: Findings, backbone: Backbone | None
) -> dict[int, NDArray[np.float32]]:
    """Compute the heat map of the predicted label for each of the worst mistakes.

    It is computed with the model that made the mistake. After cross-validation that is the head
    that had not seen the picture; the final model has, and may classify it correctly.

    Args:
        findings: The findings about a trained model.
        backbone: The frozen network of the heads; without it cross-validated mistakes get none.

    Returns:
        (height, width) float32, 0 to 1, by the index of the test picture, see
        `ActivationMap.heat`. Empty if the network can't tell where it looked.
    """
    heat = {}
    for graph, places in _by_model(findings, backbone):
        try:
            activation_map = ActivationMap(graph, "the model")
        except UserError:
            return {}
        for place in places:
            answer = findings.labels.index(findings.answers[place].label)
            prepared = prepare(findings.test.images[place], findings.task.input_size)
            heat[place] = activation_map.heat(prepared, answer)
    return heat


def _by_model(
    findings: Findings, backbone: Backbone | None
) -> Iterator[tuple[onnx.ModelProto, Sequence[int]]]:
    """Yield each model with the indices of the mistakes that it made."""
    mistakes, calibration = findings.worst_mistakes, findings.outcome.cross_validation
    if calibration is None:
        if mistakes:
            yield findings.outcome.graph, mistakes
    elif backbone is not None:
        found = calibration.found
        head_of = found.head_of[np.argsort(found.asked)]  # the test pictures come in this order
        for number, head in enumerate(found.heads):
            own = [place for place in mistakes if head_of[place] == number]
            if own:
                yield append_head(backbone.features, head), own
