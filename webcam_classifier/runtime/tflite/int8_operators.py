"""Convert the operators of a quantised graph to TFLite's int8 ones.

TFLite's int8 activations are ONNX's uint8 ones less 128. Its weights have a scale for each output
channel, and the scale of a bias is the product of the scales of activations and weights
(https://ai.google.dev/edge/litert/models/quantization_spec). So all integers can be kept.
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

_SAME_SCALE = 1e-5  # relative difference: the quantiser multiplies scales in another order
_LARGEST_BIAS = float(2**31 - 1)


def dequantise_constants(graph: Conversion) -> None:
    """Dequantise the constants, and note the integer ones with their quantisation."""
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
            graph.integer_constants[name] = (value, Quantisation(scale, 0, axis))


def dequantise(graph: Conversion, node: onnx.NodeProto) -> None:
    """Note the name of a dequantised value; it is dequantised only when a node reads floats."""
    source = node.input[0]
    if source not in graph.quantised:
        graph.quantised[source] = _signed_pixels(graph, node)
    graph.quantised[node.output[0]] = graph.quantised[source]


def quantise(graph: Conversion, node: onnx.NodeProto) -> None:
    """Quantise floats, or requantise integers."""
    quantisation = graph.quantisation(node)
    name = node.input[0]
    if name in graph.quantised:
        graph.quantised[node.output[0]] = _as(graph, graph.quantised[name], quantisation)
        return
    given = graph.tensor(name)
    result = graph.file.value(graph.file.shape(given), node.output[0], np.int8, quantisation)
    graph.file.node(Operator.QUANTIZE, [given], result, "QuantizeOptions")
    graph.quantised[node.output[0]] = result


def write_int8(graph: Conversion, node: onnx.NodeProto) -> bool:
    """Convert a node and the QuantizeLinear after it to an int8 operator, if it can be one.

    Returns:
        Whether it was converted; otherwise nothing was written.
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


def _has_integer_inputs(graph: Conversion, node: onnx.NodeProto) -> bool:
    return all(name in graph.quantised for name in node.input)


def _has_integer_weights(graph: Conversion, node: onnx.NodeProto) -> bool:
    if node.input[0] not in graph.quantised or node.input[1] not in graph.integer_constants:
        return False
    weights, quantisation = graph.integer_constants[node.input[1]]
    channels = 0 if node.op_type == "Conv" or attribute(node, "transB", 0) else 1
    is_plain = attribute(node, "alpha", 1.0) == attribute(node, "beta", 1.0) == 1.0
    is_plain = is_plain and not attribute(node, "transA", 0)
    return (
        is_plain
        and weights.dtype == np.int8
        and quantisation.axis in (channels, quantisation.scale.size - 1)
    )


def _convolution(graph: Conversion, node: onnx.NodeProto, quantisation: Quantisation) -> int:
    taken = graph.quantised[node.input[0]]
    weights, scales = graph.integer_constants[node.input[1]]
    is_depthwise = convolves_depthwise(graph, node)
    order, axis = ((1, 2, 3, 0), 3) if is_depthwise else ((0, 2, 3, 1), 0)
    kernel = graph.file.constant(weights.transpose(order), Quantisation(scales.scale, 0, axis))
    before = graph.file.quantisation(taken)
    bias = _bias(graph, node, before.scale * scales.scale, len(weights))
    value, padding = padded(graph, node, weights.shape[2:], taken, 0.0, before)
    activation, name = graph.activation_behind(node)
    result = graph.file.value(graph.held_shape(name), name, np.int8, quantisation)
    return write_convolution(graph, node, [value, kernel, bias], result, padding, activation)


def _layer(graph: Conversion, node: onnx.NodeProto, quantisation: Quantisation) -> int:
    taken = graph.quantised[node.input[0]]
    weights, scales = graph.integer_constants[node.input[1]]
    if not attribute(node, "transB", 0):
        weights = weights.T
    kernel = graph.file.constant(weights, Quantisation(scales.scale))
    scale = graph.file.quantisation(taken).scale * scales.scale
    inputs = [taken, kernel, _bias(graph, node, scale, len(weights))]
    return graph.file.node(
        Operator.FULLY_CONNECTED,
        inputs,
        _result(graph, node, quantisation),
        "FullyConnectedOptions",
    )


def _bias(graph: Conversion, node: onnx.NodeProto, scale: NDArray[np.float32], count: int) -> int:
    """Add a bias in int32, with the scale of the products of activations and weights."""
    numbers: NDArray[Any] = np.zeros(count, dtype=np.int32)
    if len(node.input) > 2:
        name = node.input[2]
        whole = graph.integer_constants.get(name)
        if whole is not None and np.allclose(whole[1].scale, scale, rtol=_SAME_SCALE, atol=0.0):
            numbers = whole[0]
        else:
            steps = np.rint(graph.constants[name].astype(np.float64) / scale)
            numbers = steps.clip(-_LARGEST_BIAS, _LARGEST_BIAS).astype(np.int32)
    return graph.file.constant(numbers, Quantisation(scale))


def _pool(graph: Conversion, node: onnx.NodeProto, quantisation: Quantisation) -> int:
    taken = graph.quantised[node.input[0]]
    before = graph.file.quantisation(taken)
    kernel = attribute(node, "kernel_shape", (1, 1))
    value, padding = padded(graph, node, kernel, taken, -1.0, before)
    result = graph.file.like(taken, graph.held_shape(node.output[0]))
    return _as(graph, write_pool(graph, node, value, result, padding), quantisation)


def _concatenation(graph: Conversion, node: onnx.NodeProto, quantisation: Quantisation) -> int:
    """Requantise all parts to the scale of the whole, as TFLite only copies them."""
    parts = [_as(graph, graph.quantised[name], quantisation) for name in node.input]
    (axis,) = graph.held_axes(node, [attribute(node, "axis", 0)])
    result = _result(graph, node, quantisation)
    return graph.file.node(Operator.CONCATENATION, parts, result, "ConcatenationOptions", axis=axis)


def _sum(graph: Conversion, node: onnx.NodeProto, quantisation: Quantisation) -> int:
    values = [graph.quantised[name] for name in node.input]
    return graph.file.node(Operator.ADD, values, _result(graph, node, quantisation), "AddOptions")


def _flat(graph: Conversion, node: onnx.NodeProto, quantisation: Quantisation) -> int:
    taken = graph.quantised[node.input[0]]
    result = graph.file.like(taken, graph.held_shape(node.output[0]))
    return _as(graph, write_reshape(graph, node, taken, result), quantisation)


def _result(graph: Conversion, node: onnx.NodeProto, quantisation: Quantisation) -> int:
    name = node.output[0]
    return graph.file.value(graph.held_shape(name), name, np.int8, quantisation)


def _as(graph: Conversion, value: int, quantisation: Quantisation) -> int:
    """Requantise a tensor, unless it has this quantisation already."""
    if graph.file.quantisation(value).is_same(quantisation):
        return value
    result = graph.file.value(graph.file.shape(value), "", np.int8, quantisation)
    return graph.file.node(Operator.QUANTIZE, [value], result, "QuantizeOptions")


def _signed_pixels(graph: Conversion, node: onnx.NodeProto) -> int:
    """Add the int8 tensor of the pixels, which are uint8."""
    pixels = graph.pixels[INPUT_NAME]
    quantisation = graph.quantisation(node)
    graph.expect(node, graph.tensors.get(node.input[0]) == pixels)
    unsigned = Quantisation(quantisation.scale, quantisation.zero_point + UNSIGNED_OFFSET)
    graph.file.quantise(pixels, unsigned)
    result = graph.file.value(graph.file.shape(pixels), "", np.int8, quantisation)
    return graph.file.node(Operator.QUANTIZE, [pixels], result, "QuantizeOptions")


Known = Callable[[Conversion, onnx.NodeProto], bool]
Write = Callable[[Conversion, onnx.NodeProto, Quantisation], int]

_WRITERS: Mapping[str, tuple[Known, Write]] = {
    "Add": (_has_integer_inputs, _sum),
    "Concat": (_has_integer_inputs, _concatenation),
    "Conv": (_has_integer_weights, _convolution),
    "Flatten": (_has_integer_inputs, _flat),
    "Gemm": (_has_integer_weights, _layer),
    "MaxPool": (_has_integer_inputs, _pool),
}
"""Operators with int8 versions: whether a node can be one, and how it is converted."""
