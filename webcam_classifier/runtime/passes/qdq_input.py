"""Make OpenVINO recognise the pixels as a quantised tensor.

It does not recognise uint8 values that are dequantised with a scale of exactly one. It then
computes the first convolution, which has the largest map, in floats, and reorders the values twice
before and once after it. With a scale that is not exactly one it computes that layer in integers
too, which made SqueezeNet a quarter faster on two cores.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from webcam_classifier.runtime.passes.graph_index import GraphIndex

_SCALE = 1.000001  # each of 0 to 255 divided by it still rounds to itself


def quantise_input(graph: onnx.GraphProto) -> bool:
    """Rewrite, in place, how the first convolution of a quantised graph reads its pixels.

    Args:
        graph: Its first convolution reads the uint8 pixels directly; any other graph is left
            alone.

    Returns:
        Whether it was changed.
    """
    graph_index = GraphIndex(graph)
    turn = graph_index.only_consumer(graph.input[0].name, "Transpose")
    read = turn and graph_index.only_consumer(turn.output[0], "DequantizeLinear")
    if turn is None or read is None:
        return False
    scale, zero = (graph_index.constant(name) for name in read.input[1:3])
    if scale is None or zero is None or scale.size != 1 or float(scale) != 1.0 or zero.any():
        return False
    near_one = graph_index.add_constant("pixels.near_one", np.array(_SCALE, dtype=np.float32))
    floats = graph_index.insert(
        read, "Cast", [turn.output[0]], "pixels.floats", to=TensorProto.FLOAT
    )
    read.input[0] = graph_index.insert(
        read, "QuantizeLinear", [floats, near_one, read.input[2]], "pixels.bytes"
    )
    read.input[1] = near_one
    return True
