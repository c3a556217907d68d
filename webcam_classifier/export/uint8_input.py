"""Let the first convolution of a quantised graph read the uint8 pixels directly."""

from __future__ import annotations

import numpy as np
import onnx

from webcam_classifier.runtime.passes.graph_index import GraphIndex


def take_uint8_input(graph: onnx.GraphProto) -> None:
    """Remove the conversion from uint8 to float and back to uint8, in place.

    Pixels from 0 to 255 already are a quantised tensor, with scale 1 and zero point 0. If they are
    cast to float only to be quantised, the cast and the quantisation are removed, so that the
    first convolution reads the pixels.

    Args:
        graph: A quantised graph; it is left alone if it does anything else to the pixels first.
    """
    index = GraphIndex(graph)
    for cast in index.nodes("Cast"):
        quantise = index.only_consumer(cast.output[0], "QuantizeLinear")
        dequantise = quantise and index.only_consumer(quantise.output[0], "DequantizeLinear")
        if quantise is None or dequantise is None:
            continue
        scale = index.add_constant("pixels.scale", np.array(1.0, dtype=np.float32))
        zero_point = index.add_constant("pixels.zero_point", np.array(0, dtype=np.uint8))
        dequantise.input[:] = [cast.input[0], scale, zero_point]
        index.remove(cast, quantise)
        return
