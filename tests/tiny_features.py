"""A frozen network of a few bytes for tests: what is where in a picture, in sixteen colours."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from webcam_classifier.backbone.feature_graph import EMBEDDING_NAME, with_normalised_embedding
from webcam_classifier.backbone.load import Backbone
from webcam_classifier.model_card import BATCH_AXIS, INPUT_NAME

SIZE = 64  # pixels
WIDTH = 48  # features


def tiny_backbone() -> Backbone:
    """The network as a learner takes it."""
    return Backbone("mean_colours", SIZE, tiny_features(), "no weights")


def tiny_features() -> onnx.ModelProto:
    """A graph from `pixels` to the normalised embedding: the mean colours of a 4 x 4 grid."""
    side = SIZE // 4
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["cells"], kernel_shape=[side, side], strides=[side, side]
        ),
        helper.make_node("Flatten", ["cells"], [EMBEDDING_NAME], axis=1),
    ]
    shape: list[str | int | None] = [BATCH_AXIS, SIZE, SIZE, 3]
    graph = helper.make_graph(
        nodes,
        "mean_colours",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info(EMBEDDING_NAME, TensorProto.FLOAT, [BATCH_AXIS, WIDTH])],
    )
    opset = helper.make_opsetid("", 17)
    return with_normalised_embedding(helper.make_model(graph, opset_imports=[opset], ir_version=9))
