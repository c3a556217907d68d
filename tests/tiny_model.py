"""A model of a few bytes for tests: the brightest colour channel of a picture wins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import (
    BATCH_AXIS,
    INPUT_NAME,
    OUTPUT_NAME,
    UNKNOWN_NAME,
    ModelCard,
)

CHANNEL_LABELS = ("blue", "green", "red")


def write_tiny_model(
    path: Path,
    labels: Sequence[str] = CHANNEL_LABELS,
    input_size: int = 32,
    unknown_threshold: float | None = None,
) -> ModelCard:
    """Write a model whose probabilities are the softmax of the mean of each colour channel.

    Label number 0 stands for blue, 1 for green, 2 for red; labels after the third are never
    likely. A pure colour gets a probability of more than 0.99.

    Args:
        path: Where the model belongs.
        labels: Two or more.
        input_size: The side of the square it takes, in pixels.
        unknown_threshold: Of a score of unknown that is 0 for black, 1 for a pure colour, and 3
            for white; None leaves that output out.

    Returns:
        The card inside it.
    """
    weights = np.zeros((3, len(labels)), np.float32)
    for channel in range(min(3, len(labels))):
        weights[channel, channel] = 10 / 255
    bias = np.where(np.arange(len(labels)) < 3, 0, -10).astype(np.float32)
    nodes = [
        helper.make_node("Cast", [INPUT_NAME], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["means"], keepdims=0),
        helper.make_node("Gemm", ["means", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [OUTPUT_NAME], axis=1),
    ]
    shape: list[str | int | None] = [BATCH_AXIS, input_size, input_size, 3]
    graph = helper.make_graph(
        nodes,
        "brightest_channel",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [BATCH_AXIS, len(labels)])],
        [
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )
    if unknown_threshold is not None:
        _add_unknown(graph)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    card = ModelCard(
        labels=tuple(labels),
        input_size=input_size,
        backbone="brightest_channel",
        mode="head",
        weights="none",
        created_at="2026-01-01T00:00:00+00:00",
        dataset="dataset",
        data_hash="0" * 64,
        accuracy=0.97,
        accuracy_count=48,
        accuracy_rests_on="test pictures of other bursts",
        unknown_threshold=unknown_threshold,
    )
    write_model(model, card, path)
    return card


def _add_unknown(graph: onnx.GraphProto) -> None:
    """Add the brightness of all channels together, from 0 to 3."""
    share = numpy_helper.from_array(np.full((3, 1), 1 / 255, np.float32), "share")
    graph.initializer.extend([share, numpy_helper.from_array(np.array([1], np.int64), "last")])
    graph.node.append(helper.make_node("MatMul", ["means", "share"], ["brightness"]))
    graph.node.append(helper.make_node("Squeeze", ["brightness", "last"], [UNKNOWN_NAME]))
    graph.output.append(
        helper.make_tensor_value_info(UNKNOWN_NAME, TensorProto.FLOAT, [BATCH_AXIS])
    )
