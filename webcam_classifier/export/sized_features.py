"""Change a network's input size, if its graph allows that, without changing its weights."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from webcam_classifier.backbone.feature_graph import (
    EMBEDDING_NAME,
    FeatureExtractor,
    middle_weights,
)
from webcam_classifier.errors import UserError
from webcam_classifier.model_card import INPUT_NAME


def features_at(model: onnx.ModelProto, size: int) -> onnx.ModelProto:
    """Extract the features of a classifier, for pictures of another size.

    Args:
        model: A classifier's graph.
        size: The side of the square picture, in pixels.

    Returns:
        A graph from `pixels` (batch, size, size, 3) uint8 to `embedding` (batch, features) float32.

    Raises:
        UserError: The network works for its own size only.
    """
    if not any(EMBEDDING_NAME in node.output for node in model.graph.node):
        raise UserError("The graph has no embedding that a new head could be fitted on.")
    extractor = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model))
    features = extractor.extract_model([INPUT_NAME], [EMBEDDING_NAME])
    width = features.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    for dimension in features.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = size
    del features.graph.value_info[:]
    del features.metadata_props[:]
    try:
        features = onnx.shape_inference.infer_shapes(features)
        _refit_middle(features.graph)
        del features.graph.value_info[:]
        blank = np.zeros((size, size, 3), np.uint8)
        found = FeatureExtractor(features, threads=1).embed([blank])
    except Exception as error:  # onnx's and onnxruntime's exceptions share no base class
        raise UserError(f"The network can't take pictures of {size} pixels.") from error
    if found.shape[1:] != (width,):
        raise UserError(f"The network gives other features for pictures of {size} pixels.")
    return features


def _refit_middle(graph: onnx.GraphProto) -> None:
    """Replace the weights of the places of a feature map by those for a map of another size."""
    sides = {value.name: _side(value) for value in graph.value_info}
    constants = {constant.name: constant for constant in graph.initializer}
    for node in graph.node:
        if node.op_type != "Mul":
            continue
        for own, other in (node.input, reversed(node.input)):
            constant = constants.get(own)
            if constant is None or not _counts_the_middle(numpy_helper.to_array(constant)):
                continue
            shape = tuple(constant.dims)[:-2]
            fitted = middle_weights(sides[other])
            fitted = fitted.reshape(*shape, *fitted.shape[-2:])
            constant.CopyFrom(numpy_helper.from_array(fitted, own))


def _counts_the_middle(values: NDArray[np.float32]) -> bool:
    if values.ndim < 2 or values.size != values.shape[-1] ** 2 or values.size == 1:
        return False
    expected = middle_weights(values.shape[-1])
    return bool(np.allclose(values.reshape(expected.shape), expected, atol=1e-6))


def _side(value: onnx.ValueInfoProto) -> int:
    shape = value.type.tensor_type.shape.dim
    return int(shape[-1].dim_value) if shape else 0
