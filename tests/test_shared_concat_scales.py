"""Concatenated maps of a quantised graph share one scale."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from webcam_classifier.export.shared_concat_scales import share_concat_scales

SCALES = {"left": 0.02, "right": 0.005, "both": 0.02}


def quantised_concat(is_read_elsewhere: bool = False) -> onnx.ModelProto:
    """Two inputs, each quantised and dequantised, concatenated, and quantised once more."""
    zero = numpy_helper.from_array(np.array(0, np.uint8), "zero")
    constants = [
        numpy_helper.from_array(np.array(scale, np.float32), f"{name}.scale")
        for name, scale in SCALES.items()
    ]

    def pair(value: str, name: str) -> list[onnx.NodeProto]:
        scale = [f"{name}.scale", "zero"]
        return [
            helper.make_node("QuantizeLinear", [value, *scale], [f"{name}.bytes"]),
            helper.make_node("DequantizeLinear", [f"{name}.bytes", *scale], [f"{name}.floats"]),
        ]

    concat = helper.make_node("Concat", ["left.floats", "right.floats"], ["concatenated"], axis=1)
    nodes = [*pair("a", "left"), *pair("b", "right"), concat, *pair("concatenated", "both")]
    outputs = ["both.floats"]
    if is_read_elsewhere:
        nodes.append(helper.make_node("Relu", ["right.floats"], ["other"]))
        outputs.append("other")
    graph = helper.make_graph(
        nodes,
        "concat",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 50]) for name in "ab"],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [zero, *constants],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def scales(model: onnx.ModelProto) -> list[str]:
    return [node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear"]


def test_the_parts_take_the_scale_of_the_whole_and_are_rounded_once() -> None:
    model = quantised_concat()
    share_concat_scales(model.graph)
    assert scales(model) == ["both.scale"] * 3
    values = {name: np.random.default_rng(0).uniform(0, 1, (1, 50)) for name in "ab"}
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {name: value.astype(np.float32) for name, value in values.items()})
    exact = np.concatenate([values["a"], values["b"]], axis=1)
    assert np.abs(found - exact).max() <= 0.5 * SCALES["both"] + 1e-6


def test_a_part_that_is_read_elsewhere_keeps_its_scale() -> None:
    model = quantised_concat(is_read_elsewhere=True)
    share_concat_scales(model.graph)
    assert scales(model) == ["both.scale", "right.scale", "both.scale"]
