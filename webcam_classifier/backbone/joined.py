"""Join frozen networks into one graph that concatenates their embeddings of the same pixels."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, compose, helper

from webcam_classifier.model_card import BATCH_AXIS, INPUT_NAME, NORMALISED_EMBEDDING_NAME


def join_features(parts: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """Concatenate the normalised embeddings of networks, so that all have the same weight.

    Args:
        parts: Graphs from `pixels` (batch, size, size, 3) uint8 to a normalised embedding, their
            only output; all for one size.

    Returns:
        A graph from `pixels` to `normalised_embedding` (batch, features) float32 of length one,
        with the features of all parts.

    Raises:
        ValueError: They take pictures of different sizes.
    """
    first = parts[0]
    sides = {_side(part) for part in parts}
    if len(sides) != 1:
        raise ValueError(
            f"the networks take pictures of {sorted(sides)} pixels, and not of one size"
        )
    nodes, constants, outputs = [], [], []
    for number, part in enumerate(parts):
        graph = compose.add_prefix(part, f"network_{number}.", rename_inputs=False).graph
        nodes += graph.node
        constants += graph.initializer
        outputs.append(graph.output[0].name)
    width = sum(part.graph.output[0].type.tensor_type.shape.dim[1].dim_value for part in parts)
    nodes += [
        helper.make_node("Concat", outputs, ["side_by_side"], name="side_by_side", axis=1),
        helper.make_node(
            "LpNormalization", ["side_by_side"], [NORMALISED_EMBEDDING_NAME],
            name=NORMALISED_EMBEDDING_NAME, axis=-1, p=2,
        ),
    ]  # fmt: skip
    shape: list[str | int | None] = [BATCH_AXIS, width]
    output = helper.make_tensor_value_info(NORMALISED_EMBEDDING_NAME, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "features", list(first.graph.input), [output], constants)
    return helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)


def _side(part: onnx.ModelProto) -> int:
    (pixels,) = part.graph.input
    assert pixels.name == INPUT_NAME
    return int(pixels.type.tensor_type.shape.dim[1].dim_value)
