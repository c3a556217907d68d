"""Rewrite a graph so that TensorRT can read its uint8 pixels and its quantised values.

TensorRT supports uint8 only for inputs, quantises only to signed integers with a zero point of 0,
and needs biases in float32 ("Working with Quantized Types"; its ONNX parser refuses anything else,
or reads unsigned integers as signed ones). It may have no 8-bit kernel for a first convolution with
three channels. Not run on such a device yet: the tests check that the rewritten graph gives the
same answers elsewhere.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from webcam_classifier.runtime.passes.graph_index import GraphIndex, attribute

_COLOURS = 3
_MOST_UNSIGNED, _MOST_SIGNED = 255, 127
_KEEPS_SIGN = frozenset(
    {"MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Flatten", "Reshape", "Transpose"}
)


def fit_for_tensorrt(graph: onnx.GraphProto) -> None:
    """Rewrite a graph for one picture at a time, in place.

    Everything stays as precise as before except quantised activations, which lose their lowest
    bit.

    Args:
        graph: Of a model file or its features; float or quantised.
    """
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if not axis.dim_value:
                axis.dim_value = 1
    index = GraphIndex(graph)
    _cast_pixels_first(index)
    _compute_first_convolution_with_floats(index)
    _turn_biases_to_floats(index)
    _quantise_around_zero(index)
    index.drop_unused()


def _cast_pixels_first(index: GraphIndex) -> None:
    """Cast the uint8 pixels to float before anything else is done with them."""
    pixels = index.graph.input[0].name
    readers = [node for node in index.graph.node if pixels in node.input and node.op_type != "Cast"]
    if not readers:
        return
    floats = index.insert(readers[0], "Cast", [pixels], "pixels.floats", to=TensorProto.FLOAT)
    for node in readers:
        node.input[:] = [floats if name == pixels else name for name in node.input]
    for read in index.nodes("DequantizeLinear"):
        turn = index.producer(read.input[0], "Transpose")
        source = read.input[0] if turn is None else turn.input[0]
        if source == floats and _is_plain(index, read):
            index.redirect(read.output[0], read.input[0])
            index.remove(read)


def _is_plain(index: GraphIndex, read: onnx.NodeProto) -> bool:
    """Whether values are dequantised with a scale of 1 and a zero point of 0."""
    scale, zero = (index.constant(name) for name in read.input[1:3])
    return scale is not None and zero is not None and bool((scale == 1.0).all() and not zero.any())


def _compute_first_convolution_with_floats(index: GraphIndex) -> None:
    for convolution in index.nodes("Conv"):
        kernel = index.producer(convolution.input[1], "DequantizeLinear")
        values = None if kernel is None else _dequantised(index, kernel)
        channels = 0 if values is None else values.shape[1] * attribute(convolution, "group", 1)
        if kernel is None or values is None or channels != _COLOURS:
            continue
        index.redirect(kernel.output[0], index.add_constant(f"{kernel.output[0]}.floats", values))
        index.remove(kernel)
        read = index.producer(convolution.input[0], "DequantizeLinear")
        quantised = None if read is None else index.producer(read.input[0], "QuantizeLinear")
        if quantised is not None:
            convolution.input[0] = quantised.input[0]
            _remove_unread(index)


def _turn_biases_to_floats(index: GraphIndex) -> None:
    for node in index.nodes("DequantizeLinear"):
        stored = index.constant(node.input[0])
        values = _dequantised(index, node) if stored is not None else None
        if stored is None or values is None or stored.dtype != np.int32:
            continue
        index.redirect(node.output[0], index.add_constant(f"{node.output[0]}.floats", values))
        index.remove(node)


def _quantise_around_zero(index: GraphIndex) -> None:
    """Replace uint8 activations by int8 ones with a zero point of 0 and at least the same range."""
    unsigned = [
        node
        for kind in ("QuantizeLinear", "DequantizeLinear")
        for node in index.nodes(kind)
        if index.constant(node.input[0]) is None and _has_unsigned_zero(index, node)
    ]
    # Found before anything is changed: uint8 values with a zero point of 0 are not negative.
    clipped = [
        node
        for node in unsigned
        if node.op_type == "QuantizeLinear"
        and not index.constant(node.input[2]).any()  # type: ignore[union-attr] # it has one
        and not _is_never_negative(index, node.input[0])
    ]
    for node in clipped:
        # The quantiser drops a Relu before a uint8 range that starts at 0; int8 needs it again.
        node.input[0] = index.insert(node, "Relu", [node.input[0]], f"{node.output[0]}.rectified")
    signed_zero = index.add_constant("signed.zero_point", np.array(0, dtype=np.int8))
    scales: dict[tuple[str, str], str] = {}
    for node in unsigned:
        names = (node.input[1], node.input[2])
        if names not in scales:
            scale, zero = (index.constant(name) for name in names)
            assert scale is not None
            assert zero is not None
            reach = np.maximum(_MOST_UNSIGNED - zero.astype(np.float32), zero.astype(np.float32))
            wider = np.asarray(scale * reach / _MOST_SIGNED, dtype=scale.dtype)
            scales[names] = index.add_constant(f"signed.scale_{len(scales)}", wider)
        node.input[1:3] = [scales[names], signed_zero]


def _has_unsigned_zero(index: GraphIndex, node: onnx.NodeProto) -> bool:
    zero = index.constant(node.input[2]) if len(node.input) > 2 else None
    return zero is not None and zero.dtype == np.uint8 and index.constant(node.input[1]) is not None


def _is_never_negative(index: GraphIndex, value: str) -> bool:
    for node in index.graph.node:
        if value not in node.output:
            continue
        if node.op_type == "DequantizeLinear":
            return _has_unsigned_zero(index, node) and not np.any(index.constant(node.input[2]))
        if node.op_type in _KEEPS_SIGN:
            taken = node.input if node.op_type == "Concat" else node.input[:1]
            return all(_is_never_negative(index, name) for name in taken)
        return str(node.op_type) == "Relu"
    return False


def _dequantised(index: GraphIndex, node: onnx.NodeProto) -> NDArray[np.float32] | None:
    """Return the dequantised value of a constant; None if it is not constant."""
    stored, scale = (index.constant(name) for name in node.input[:2])
    if stored is None or scale is None:
        return None
    zero = index.constant(node.input[2]) if len(node.input) > 2 else None
    shape = [1] * stored.ndim
    if scale.size > 1:
        axis = attribute(node, "axis", 1)
        shape[axis if axis < stored.ndim else 0] = -1
    whole = stored.astype(np.int64) - (0 if zero is None else zero.astype(np.int64).reshape(shape))
    return np.asarray(whole * scale.reshape(shape), dtype=np.float32)


def _remove_unread(index: GraphIndex) -> None:
    """Remove the nodes whose outputs nothing reads."""
    while True:
        read = {name for node in index.graph.node for name in node.input}
        read.update(output.name for output in index.graph.output)
        unread = [node for node in index.graph.node if not read.intersection(node.output)]
        if not unread:
            return
        index.remove(*unread)
