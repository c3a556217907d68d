"""Feed uint8 pixels to the first convolution of a quantised graph as they are."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper


def take_uint8_input(graph: onnx.GraphProto) -> None:
    """Leave out the way from uint8 over float back to uint8, in place.

    Pixels 0 to 255 are a quantised tensor already, of scale 1 and zero point 0. Where they are
    cast to float only to be quantised, the cast and the quantisation go, and the first
    convolution reads the pixels.

    Args:
        graph: A quantised graph; one that does something else to the pixels first is left alone.
    """
    for cast in graph.node:
        if cast.op_type != "Cast":
            continue
        quantise = _only_reader(graph, cast, "QuantizeLinear")
        dequantise = quantise and _only_reader(graph, quantise, "DequantizeLinear")
        if quantise is None or dequantise is None:
            continue
        one = numpy_helper.from_array(np.float32(1.0).reshape(()), "pixels.scale")
        zero = numpy_helper.from_array(np.uint8(0).reshape(()), "pixels.zero_point")
        graph.initializer.extend([one, zero])
        dequantise.input[:] = [cast.input[0], one.name, zero.name]
        graph.node.remove(cast)
        graph.node.remove(quantise)
        return


def _only_reader(graph: onnx.GraphProto, node: onnx.NodeProto, kind: str) -> onnx.NodeProto | None:
    readers = [reader for reader in graph.node if node.output[0] in reader.input]
    return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None
