"""Where each of the worst mistakes found the label that it was given."""

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


def heat_of_mistakes(
    findings: Findings, backbone: Backbone | None
) -> dict[int, NDArray[np.float32]]:
    """Ask the very head that made each of the worst mistakes what on the picture spoke for it.

    The model that is written learnt from cross-validated pictures afterwards, and may be right
    about them by now; the head that was left to classify one is not.

    Args:
        findings: What a task came to.
        backbone: The frozen network of the heads; None where it is not at hand.

    Returns:
        By place among the test pictures: (height, width) float32, 0 to 1, see
        `ActivationMap.heat`. Empty where the network can't tell where it looked.
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
    """The mistakes that each model made."""
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
