"""Convert operators on feature maps to TFLite: convolutions, pooling, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto

from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.runtime.passes.graph_index import attribute
from webcam_classifier.runtime.tflite.conversion import AXIS_OF_MAP, Conversion, Operator
from webcam_classifier.runtime.tflite.tflite_file import Quantisation

_LOWEST = np.float32(np.finfo(np.float32).min)
_LOWEST_BYTE = -128


def transpose(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a Transpose, of the pixels only, to nothing: channels stay last."""
    is_pixels = node.input[0] in graph.pixels
    graph.expect(node, is_pixels and tuple(attribute(node, "perm", ())) == AXIS_OF_MAP)
    return graph.pixels[node.input[0]]


def cast(graph: Conversion, node: onnx.NodeProto) -> None:
    """Convert a Cast, of the pixels to float only, before or after their Transpose."""
    taken, name = node.input[0], node.output[0]
    is_before = taken in graph.pixels
    value = graph.pixels[taken] if is_before else graph.tensors.get(taken)
    is_known = value == graph.pixels[INPUT_NAME]
    graph.expect(node, is_known and attribute(node, "to", 0) == TensorProto.FLOAT)
    floats = graph.file.value(graph.file.shape(graph.pixels[INPUT_NAME]), name)
    graph.file.node(
        Operator.CAST,
        [graph.pixels[INPUT_NAME]],
        floats,
        "CastOptions",
        inDataType=schema.TensorType.UINT8,
        outDataType=schema.TensorType.FLOAT32,
    )
    (graph.pixels if is_before else graph.tensors)[name] = floats


def convolution(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a float Conv; the activation after it is fused into it."""
    graph.expect(node, node.input[1] in graph.constants)
    kernel = graph.constants[node.input[1]]
    is_depthwise = convolves_depthwise(graph, node)
    bias = np.zeros(len(kernel), dtype=np.float32)
    if len(node.input) > 2:
        bias = graph.constants[node.input[2]]
    value, padding = padded(graph, node, kernel.shape[2:], graph.tensor(node.input[0]), 0.0)
    activation, name = graph.activation_behind(node)
    weights = kernel.transpose((1, 2, 3, 0) if is_depthwise else (0, 2, 3, 1))
    inputs = [value, graph.constant(weights), graph.constant(bias)]
    output = graph.file.value(graph.held_shape(name), name)
    graph.tensors[name] = output
    return write_convolution(graph, node, inputs, output, padding, activation)


def convolves_depthwise(graph: Conversion, node: onnx.NodeProto) -> bool:
    """Whether a convolution is depthwise.

    Raises:
        UnwritableError: It is grouped in another way, or dilated.
    """
    kernel = graph.shapes.get(node.input[1]) or graph.constants[node.input[1]].shape
    groups = attribute(node, "group", 1)
    is_depthwise = groups == graph.shapes[node.input[0]][1] and kernel[1] == 1 and groups > 1
    dilations = tuple(attribute(node, "dilations", (1, 1)))
    graph.expect(node, (groups == 1 or is_depthwise) and dilations == (1, 1))
    return bool(is_depthwise)


def write_convolution(
    graph: Conversion,
    node: onnx.NodeProto,
    inputs: Sequence[int],
    output: int,
    padding: int,
    activation: int,
) -> int:
    """Add the operator of a convolution.

    Args:
        graph: The conversion.
        node: The convolution.
        inputs: Tensors of the map, the weights with TFLite's order of axes, and the bias.
        output: The tensor that it computes.
        padding: From `padded`.
        activation: The fused activation, of `Activation`.

    Returns:
        The output.
    """
    rows, columns = attribute(node, "strides", (1, 1))
    settings: dict[str, Any] = {
        "padding": padding,
        "strideH": rows,
        "strideW": columns,
        "fusedActivationFunction": activation,
    }
    if not convolves_depthwise(graph, node):
        return graph.file.node(Operator.CONV_2D, inputs, output, "Conv2DOptions", **settings)
    channels = graph.shapes[node.input[0]][1]
    settings["depthMultiplier"] = graph.shapes[node.output[0]][1] // channels
    code, options = Operator.DEPTHWISE_CONV_2D, "DepthwiseConv2DOptions"
    return graph.file.node(code, inputs, output, options, **settings)


def pool(graph: Conversion, node: onnx.NodeProto) -> int:
    """Convert a float MaxPool or AveragePool."""
    is_mean = node.op_type == "AveragePool"
    given = graph.tensor(node.input[0])
    filling = 0.0 if is_mean else _LOWEST
    value, padding = padded(graph, node, attribute(node, "kernel_shape", (1, 1)), given, filling)
    # TFLite never counts padding in a mean, so an explicitly padded map would change it.
    graph.expect(node, not is_mean or value == given)
    return write_pool(graph, node, value, graph.output(node), padding)


def write_pool(
    graph: Conversion, node: onnx.NodeProto, value: int, output: int, padding: int
) -> int:
    """Add the operator of a pool; see `write_convolution`."""
    rows, columns = attribute(node, "strides", (1, 1))
    height, width = attribute(node, "kernel_shape", (1, 1))
    return graph.file.node(
        Operator.AVERAGE_POOL_2D if node.op_type == "AveragePool" else Operator.MAX_POOL_2D,
        [value],
        output,
        "Pool2DOptions",
        padding=padding,
        strideH=rows,
        strideW=columns,
        filterHeight=height,
        filterWidth=width,
    )


def padded(
    graph: Conversion,
    node: onnx.NodeProto,
    kernel: Sequence[int],
    value: int,
    filling: float,
    quantisation: Quantisation | None = None,
) -> tuple[int, int]:
    """Pad a map as a node needs it.

    TFLite's operators have no padding (`VALID`), or as much as keeps the size, with an odd pixel at
    the end (`SAME`). Any other padding is an operator before them.

    Args:
        graph: The conversion.
        node: The node that reads the map.
        kernel: Its height and width.
        value: The tensor of the map.
        filling: 0, or less than all values of the map.
        quantisation: Of the map; None if it has floats.

    Returns:
        The tensor of the map, and the padding of the operator that reads it.

    Raises:
        UnwritableError: The node uses `auto_pad`.
    """
    graph.expect(node, attribute(node, "auto_pad", b"NOTSET") == b"NOTSET")
    pads = list(attribute(node, "pads", (0, 0, 0, 0)))
    strides = attribute(node, "strides", (1, 1))
    sizes, given = graph.shapes[node.input[0]][2:], graph.shapes[node.output[0]][2:]
    before, after, same = [], [], []
    for axis in range(2):
        # With ceil_mode the last window may extend beyond the edge.
        reach = (given[axis] - 1) * strides[axis] + kernel[axis]
        before.append(pads[axis])
        after.append(max(reach - sizes[axis] - pads[axis], 0))
        spare = max((-(-sizes[axis] // strides[axis]) - 1) * strides[axis], 0)
        spare = max(spare + kernel[axis] - sizes[axis], 0)
        same.append((spare // 2, spare - spare // 2))
    if not any(before + after):
        return value, schema.Padding.VALID
    is_same = list(zip(before, after, strict=True)) == same
    if is_same and all(-(-sizes[axis] // strides[axis]) == given[axis] for axis in range(2)):
        return value, schema.Padding.SAME
    rows, columns = ((before[axis], after[axis]) for axis in range(2))
    amounts = graph.constant(np.array([(0, 0), rows, columns, (0, 0)], dtype=np.int32))
    _, height, width, channels = graph.file.shape(value)
    shape = (1, height + sum(rows), width + sum(columns), channels)
    result = graph.file.like(value, shape)
    # Zero is the lowest value after a Relu, and PAD is faster than PADV2.
    if filling == 0.0 or (quantisation is not None and quantisation.zero_point == _LOWEST_BYTE):
        graph.file.node(Operator.PAD, [value, amounts], result, "PadOptions")
        return result, schema.Padding.VALID
    if quantisation is None:
        lowest = graph.constant(np.array([filling], dtype=np.float32))
    else:
        lowest = graph.file.constant(np.array([_LOWEST_BYTE], dtype=np.int8), quantisation)
    graph.file.node(Operator.PADV2, [value, amounts, lowest], result, "PadV2Options")
    return result, schema.Padding.VALID
