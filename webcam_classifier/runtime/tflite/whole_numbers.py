"""A quantised graph's operators, written as TFLite's on int8.

TFLite's int8 activations are ONNX's uint8 ones less 128, its weights have a scale for each channel
of the output, and a bias the product of both scales
(https://ai.google.dev/edge/litert/models/quantization_spec): so all numbers stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.runtime.passes.graph_index import attribute
from webcam_classifier.runtime.tflite.conversion import UNSIGNED_OFFSET, Conversion, Operator
from webcam_classifier.runtime.tflite.map_operators import (
    convolves_depthwise,
    padded,
    write_convolution,
    write_pool,
)
from webcam_classifier.runtime.tflite.tflite_file import Quantisation
from webcam_classifier.runtime.tflite.vector_operators import write_reshape

_SAME_SCALE = 1e-5  # of scales, relatively: the quantiser multiplies them in another order
_LARGEST_BIAS = float(2**31 - 1)


def dequantise_constants(graph: Conversion) -> None:
    """Note what the constants stand for, as whole numbers and as floats."""
    for node in graph.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in graph.constants:
            continue
        value = graph.constants[node.input[0]]
        scale = graph.constants[node.input[1]].astype(np.float32).reshape(-1)
        points = graph.constants[node.input[2]] if len(node.input) > 2 else np.zeros(1, value.dtype)
        axis = attribute(node, "axis", 1) % max(1, value.ndim)
        along = [1] * value.ndim
        if scale.size > 1:
            along[axis] = -1
        distance = value.astype(np.float32) - points.astype(np.float32).reshape(along)
        name = node.output[0]
        graph.constants[name] = distance * scale.reshape(along)
        graph.done.add(name)
        if value.dtype in (np.int8, np.int32) and not points.any():
            graph.whole_constants[name] = (value, Quantisation(scale, 0, axis))


def dequantise(graph: Conversion, node: onnx.NodeProto) -> None:
    """Remember what whole numbers are called as floats: who wants those asks for them."""
    source = node.input[0]
    if source not in graph.quantised:
        graph.quantised[source] = _signed_pixels(graph, node)
    graph.quantised[node.output[0]] = graph.quantised[source]


def quantise(graph: Conversion, node: onnx.NodeProto) -> None:
    """Make whole numbers of floats, or of others that stand for other values."""
    told = graph.quantisation(node)
    name = node.input[0]
    if name in graph.quantised:
        graph.quantised[node.output[0]] = _as(graph, graph.quantised[name], told)
        return
    given = graph.tensor(name)
    result = graph.file.value(graph.file.shape(given), node.output[0], np.int8, told)
    graph.file.node(Operator.QUANTIZE, [given], result, "QuantizeOptions")
    graph.quantised[node.output[0]] = result


def write_whole(graph: Conversion, node: onnx.NodeProto) -> bool:
    """Write a node with the quantisation behind it, where it computes with whole numbers.

    Returns:
        False where it does not, and nothing was written.
    """
    known = _WRITERS.get(node.op_type)
    if known is None:
        return False
    is_known, write = known
    name = node.output[0]
    if node.op_type == "Conv":
        _, name = graph.activation_behind(node)
    reader = graph.only_reader(name)
    if reader is None or reader.op_type != "QuantizeLinear" or not is_known(graph, node):
        return False
    graph.done.update((node.output[0], name))
    graph.quantised[reader.output[0]] = write(graph, node, graph.quantisation(reader))
    return True


def _takes_whole(graph: Conversion, node: onnx.NodeProto) -> bool:
    return all(name in graph.quantised for name in node.input)


def _has_whole_weights(graph: Conversion, node: onnx.NodeProto) -> bool:
    if node.input[0] not in graph.quantised or node.input[1] not in graph.whole_constants:
        return False
    weights, told = graph.whole_constants[node.input[1]]
    channels = 0 if node.op_type == "Conv" or attribute(node, "transB", 0) else 1
    is_plain = attribute(node, "alpha", 1.0) == attribute(node, "beta", 1.0) == 1.0
    is_plain = is_plain and not attribute(node, "transA", 0)
    return is_plain and weights.dtype == np.int8 and told.axis in (channels, told.scale.size - 1)


def _convolution(graph: Conversion, node: onnx.NodeProto, told: Quantisation) -> int:
    taken = graph.quantised[node.input[0]]
    weights, scales = graph.whole_constants[node.input[1]]
    is_depthwise = convolves_depthwise(graph, node)
    order, axis = ((1, 2, 3, 0), 3) if is_depthwise else ((0, 2, 3, 1), 0)
    kernel = graph.file.constant(weights.transpose(order), Quantisation(scales.scale, 0, axis))
    before = graph.file.quantisation(taken)
    bias = _bias(graph, node, before.scale * scales.scale, len(weights))
    value, padding = padded(graph, node, weights.shape[2:], taken, 0.0, before)
    activation, name = graph.activation_behind(node)
    result = graph.file.value(graph.held_shape(name), name, np.int8, told)
    return write_convolution(graph, node, [value, kernel, bias], result, padding, activation)


def _layer(graph: Conversion, node: onnx.NodeProto, told: Quantisation) -> int:
    taken = graph.quantised[node.input[0]]
    weights, scales = graph.whole_constants[node.input[1]]
    if not attribute(node, "transB", 0):
        weights = weights.T
    kernel = graph.file.constant(weights, Quantisation(scales.scale))
    scale = graph.file.quantisation(taken).scale * scales.scale
    inputs = [taken, kernel, _bias(graph, node, scale, len(weights))]
    return graph.file.node(
        Operator.FULLY_CONNECTED, inputs, _result(graph, node, told), "FullyConnectedOptions"
    )


def _bias(graph: Conversion, node: onnx.NodeProto, scale: NDArray[np.float32], count: int) -> int:
    """Add a bias in steps of a scale: of the products of activations and weights."""
    numbers: NDArray[Any] = np.zeros(count, dtype=np.int32)
    if len(node.input) > 2:
        name = node.input[2]
        whole = graph.whole_constants.get(name)
        if whole is not None and np.allclose(whole[1].scale, scale, rtol=_SAME_SCALE, atol=0.0):
            numbers = whole[0]
        else:
            steps = np.rint(graph.constants[name].astype(np.float64) / scale)
            numbers = steps.clip(-_LARGEST_BIAS, _LARGEST_BIAS).astype(np.int32)
    return graph.file.constant(numbers, Quantisation(scale))


def _pool(graph: Conversion, node: onnx.NodeProto, told: Quantisation) -> int:
    taken = graph.quantised[node.input[0]]
    before = graph.file.quantisation(taken)
    kernel = attribute(node, "kernel_shape", (1, 1))
    value, padding = padded(graph, node, kernel, taken, -1.0, before)
    result = graph.file.like(taken, graph.held_shape(node.output[0]))
    return _as(graph, write_pool(graph, node, value, result, padding), told)


def _concatenation(graph: Conversion, node: onnx.NodeProto, told: Quantisation) -> int:
    """All parts have the scale of the whole: TFLite only copies them."""
    parts = [_as(graph, graph.quantised[name], told) for name in node.input]
    (axis,) = graph.held_axes(node, [attribute(node, "axis", 0)])
    result = _result(graph, node, told)
    return graph.file.node(Operator.CONCATENATION, parts, result, "ConcatenationOptions", axis=axis)


def _sum(graph: Conversion, node: onnx.NodeProto, told: Quantisation) -> int:
    values = [graph.quantised[name] for name in node.input]
    return graph.file.node(Operator.ADD, values, _result(graph, node, told), "AddOptions")


def _flat(graph: Conversion, node: onnx.NodeProto, told: Quantisation) -> int:
    taken = graph.quantised[node.input[0]]
    result = graph.file.like(taken, graph.held_shape(node.output[0]))
    return _as(graph, write_reshape(graph, node, taken, result), told)


def _result(graph: Conversion, node: onnx.NodeProto, told: Quantisation) -> int:
    name = node.output[0]
    return graph.file.value(graph.held_shape(name), name, np.int8, told)


def _as(graph: Conversion, value: int, told: Quantisation) -> int:
    """Whole numbers that stand for other values: rounded anew where they do not do so already."""
    if graph.file.quantisation(value).is_same(told):
        return value
    result = graph.file.value(graph.file.shape(value), "", np.int8, told)
    return graph.file.node(Operator.QUANTIZE, [value], result, "QuantizeOptions")


def _signed_pixels(graph: Conversion, node: onnx.NodeProto) -> int:
    """The pixels, which are whole numbers as they come."""
    pixels = graph.pixels[INPUT_NAME]
    told = graph.quantisation(node)
    graph.expect(node, graph.tensors.get(node.input[0]) == pixels)
    unsigned = Quantisation(told.scale, told.zero_point + UNSIGNED_OFFSET)
    graph.file.quantise(pixels, unsigned)
    result = graph.file.value(graph.file.shape(pixels), "", np.int8, told)
    return graph.file.node(Operator.QUANTIZE, [pixels], result, "QuantizeOptions")


Known = Callable[[Conversion, onnx.NodeProto], bool]
Write = Callable[[Conversion, onnx.NodeProto, Quantisation], int]

_WRITERS: Mapping[str, tuple[Known, Write]] = {
    "Add": (_takes_whole, _sum),
    "Concat": (_takes_whole, _concatenation),
    "Conv": (_has_whole_weights, _convolution),
    "Flatten": (_takes_whole, _flat),
    "Gemm": (_has_whole_weights, _layer),
    "MaxPool": (_takes_whole, _pool),
}
"""What is written so: whether a node is, and how."""
