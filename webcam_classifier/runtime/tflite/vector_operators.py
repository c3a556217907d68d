"""Convert operators on vectors and element-wise ones to TFLite: layers, means, shapes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from webcam_classifier.runtime.passes.graph_index import attribute
from webcam_classifier.runtime.tflite.conversion import AXIS_OF_MAP, SIX, Conversion, Operator

ELEMENTWISE: Mapping[str, tuple[int, str]] = {
    "Abs": (Operator.ABS, "AbsOptions"),
    "Add": (Operator.ADD, "AddOptions"),
    "Div": (Operator.DIV, "DivOptions"),
    "HardSwish": (Operator.HARD_SWISH, "HardSwishOptions"),
    "Mul": (Operator.MUL, "MulOptions"),
    "Pow": (Operator.POW, "PowOptions"),
    "Relu": (Operator.RELU, ""),
    "Sigmoid": (Operator.LOGISTIC, ""),
    "Sign": (Operator.SIGN, ""),
    "Sqrt": (Operator.SQRT, ""),
    "Sub": (Operator.SUB, "SubOptions"),
}
"""Element-wise operators: TFLite's operator, and the schema's name of its options."""


def identity(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert an Identity to nothing."""
    return graph.tensor(node.input[0])


def global_mean(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a GlobalAveragePool."""
    return _reduced(graph, node, Operator.MEAN, [2, 3], True)


def reduced(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a ReduceMean or ReduceSum."""
    code = Operator.MEAN if node.op_type == "ReduceMean" else Operator.SUM
    axes = graph.numbers(node, 1, "axes")
    return _reduced(graph, node, code, axes, bool(attribute(node, "keepdims", 1)))


def smallest(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a TopK for the one smallest value, as the score of unknown uses it."""
    wanted = graph.numbers(node, 1, "k")
    graph.expect(node, wanted == [1] and not attribute(node, "largest", 1))
    return _reduced(graph, node, Operator.REDUCE_MIN, [attribute(node, "axis", -1)], True)


def gemm(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a float Gemm, or a MatMul by a constant."""
    is_layer = node.input[1] in graph.constants and len(graph.shapes[node.input[0]]) == 2
    graph.expect(node, is_layer and not attribute(node, "transA", 0))
    weights = graph.constants[node.input[1]]
    if not attribute(node, "transB", 0):
        weights = weights.T
    weights = np.float32(attribute(node, "alpha", 1.0)) * weights
    bias = np.zeros(len(weights), dtype=np.float32)
    if len(node.input) > 2:
        beta = np.float32(attribute(node, "beta", 1.0))
        bias = bias + beta * graph.constants[node.input[2]]
    inputs = [graph.tensor(node.input[0]), graph.constant(weights), graph.constant(bias)]
    return graph.file.node(
        Operator.FULLY_CONNECTED, inputs, graph.output(node), "FullyConnectedOptions"
    )


def softmax(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a Softmax over the last axis."""
    graph.expect_last_axis(node, attribute(node, "axis", -1))
    value = [graph.tensor(node.input[0])]
    return graph.file.node(Operator.SOFTMAX, value, graph.output(node), "SoftmaxOptions", beta=1.0)


def length_one(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert an LpNormalization with p = 2 over the last axis."""
    graph.expect_last_axis(node, attribute(node, "axis", -1))
    graph.expect(node, attribute(node, "p", 2) == 2)
    value = [graph.tensor(node.input[0])]
    return graph.file.node(Operator.L2_NORMALIZATION, value, graph.output(node), "L2NormOptions")


def concatenation(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a float Concat."""
    values = [graph.operand(node, place) for place in range(len(node.input))]
    (axis,) = graph.held_axes(node, [attribute(node, "axis", 0)])
    return graph.file.node(
        Operator.CONCATENATION, values, graph.output(node), "ConcatenationOptions", axis=axis
    )


def flatten(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a Flatten of all axes but the batch axis."""
    graph.expect(node, attribute(node, "axis", 1) == 1)
    return reshape(graph, node)


def reshape(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a float Reshape, or a Squeeze."""
    return write_reshape(graph, node, graph.tensor(node.input[0]), graph.output(node))


def write_reshape(graph: Conversion, node: onnx.NodeProto, value: int, output: int) -> int:
    """Add the operators that reshape a tensor.

    All shapes are known, so it does not matter how the ONNX node expresses the new one.
    """
    before, after = graph.shapes[node.input[0]], graph.shapes[node.output[0]]
    if len(before) == 4 and before[2:] != (1, 1):
        planes = graph.file.like(value, before)
        order = graph.constant(np.array(AXIS_OF_MAP, dtype=np.int32))
        value = graph.file.node(Operator.TRANSPOSE, [value, order], planes, "TransposeOptions")
    graph.expect(node, len(after) != 4 or after[2:] == (1, 1))
    shape = graph.constant(np.array(graph.held_shape(node.output[0]), dtype=np.int32))
    return graph.file.node(Operator.RESHAPE, [value, shape], output)


def clip(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a Clip."""
    value = graph.tensor(node.input[0])
    low, high = graph.limits(node)
    if (low, high) == (0.0, SIX):
        return graph.file.node(Operator.RELU6, [value], graph.output(node))
    if low is not None:
        value = _with_number(graph, Operator.MAXIMUM, "MaximumMinimumOptions", value, low)
    if high is not None:
        value = _with_number(graph, Operator.MINIMUM, "MaximumMinimumOptions", value, high)
    return value


def hard_sigmoid(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a HardSigmoid, max(0, min(1, alpha x + beta)), to a scaled RELU6."""
    alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
    value = graph.tensor(node.input[0])
    shape = graph.file.shape(value)
    scaled = _with_number(graph, Operator.MUL, "MulOptions", value, SIX * alpha)
    shifted = _with_number(graph, Operator.ADD, "AddOptions", scaled, SIX * beta)
    limited = graph.file.node(Operator.RELU6, [shifted], graph.file.value(shape))
    return _with_number(graph, Operator.MUL, "MulOptions", limited, 1.0 / SIX)


def elementwise(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert an element-wise operator on floats."""
    code, options = ELEMENTWISE[node.op_type]
    values = [graph.operand(node, place) for place in range(len(node.input))]
    return graph.file.node(code, values, graph.output(node), options)


def _with_number(graph: Conversion, code: int, options: str, value: int, number: float) -> int:
    other = graph.constant(np.array(number, dtype=np.float32))
    output = graph.file.value(graph.file.shape(value))
    return graph.file.node(code, [value, other], output, options)


def _reduced(
    graph: Conversion, node: onnx.NodeProto, code: int, axes: list[int], keeps: bool
) -> int:
    held = np.array(sorted(graph.held_axes(node, axes)), dtype=np.int32)
    graph.expect(node, keeps or len(graph.shapes[node.output[0]]) < 4)
    inputs = [graph.tensor(node.input[0]), graph.constant(held)]
    return graph.file.node(code, inputs, graph.output(node), "ReducerOptions", keepDims=keeps)
