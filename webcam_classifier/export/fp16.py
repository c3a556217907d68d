"""Convert to 16-bit floats: half the size, and faster on GPUs with units for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.errors import UserError
from webcam_classifier.export.converted import Converted
from webcam_classifier.export.graph_parts import last_layers
from webcam_classifier.runtime.tidy_graph import tidy_graph


def to_fp16(source: Path) -> Converted:
    """Convert a network's body to float16; its last layers stay float32.

    The pixels stay uint8 and the probabilities float32, so the model is used as before.

    Args:
        source: A model file.

    Raises:
        UserError: A weight is too large for 16 bits.
    """
    model = tidy_graph(source)
    last = last_layers(model.graph)
    body = [node for node in model.graph.node if node.name not in last]
    _halve_constants(model.graph, body, last)
    for node in body:
        if node.op_type == "Cast":
            (target,) = (attribute for attribute in node.attribute if attribute.name == "to")
            target.i = TensorProto.FLOAT16 if target.i == TensorProto.FLOAT else target.i
    _widen_before(model.graph, body, last)
    del model.graph.value_info[:]  # their types have changed
    return Converted(model, "fp16: weights and computation but for the last layers")


def _halve_constants(
    graph: onnx.GraphProto, body: list[onnx.NodeProto], last: frozenset[str]
) -> None:
    used = {name for node in body for name in node.input}
    used_last = {name for node in graph.node if node.name in last for name in node.input}
    for constant in list(graph.initializer):
        if constant.name not in used or constant.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(constant)
        if np.abs(values).max(initial=0.0) > np.finfo(np.float16).max:
            raise UserError(
                f"{constant.name} has weights up to {np.abs(values).max():.3g}, too large for "
                "fp16. Take --precision int8 or keep fp32."
            )
        halved = numpy_helper.from_array(values.astype(np.float16), constant.name)
        if constant.name in used_last:
            halved.name = f"{constant.name}.half"
            _rename_inputs(body, constant.name, halved.name)
            graph.initializer.append(halved)
        else:
            constant.CopyFrom(halved)


def _widen_before(graph: onnx.GraphProto, body: list[onnx.NodeProto], last: frozenset[str]) -> None:
    """Insert casts to float32 between the body and the last layers."""
    made_by_body = {name for node in body for name in node.output}
    last_nodes = [node for node in graph.node if node.name in last]
    crossing = {name for node in last_nodes for name in node.input if name in made_by_body}
    for name in sorted(crossing):
        wide = f"{name}.wide"
        cast = helper.make_node("Cast", [name], [wide], name=wide, to=TensorProto.FLOAT)
        _rename_inputs(last_nodes, name, wide)
        place = next(index for index, node in enumerate(graph.node) if wide in node.input)
        graph.node.insert(place, cast)


def _rename_inputs(nodes: list[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new
