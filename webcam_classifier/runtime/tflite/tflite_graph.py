"""Convert an ONNX graph of this program to TFLite, in float32 or, if it is quantised, in int8.

Converters for ONNX or torch depend on TensorFlow, jax or certain versions of torch, and pin other
packages. The graphs of this program use two dozen operators, each of which TFLite has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx

from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.runtime.tflite import map_operators, vector_operators
from webcam_classifier.runtime.tflite.conversion import Conversion
from webcam_classifier.runtime.tflite.int8_operators import (
    dequantise,
    dequantise_constants,
    quantise,
    write_int8,
)


def tflite_bytes(model: onnx.ModelProto) -> bytes:
    """Convert a graph to a TFLite file, for one picture at a time.

    Args:
        model: From `one_picture_graph`.

    Returns:
        The content of a file with the same input and outputs, and a signature with their names.

    Raises:
        UnwritableError: An operator is not supported, or not with these attributes.
    """
    graph = Conversion(model)
    shape = graph.shapes[INPUT_NAME]
    graph.pixels[INPUT_NAME] = graph.file.value(shape, INPUT_NAME, np.uint8)
    dequantise_constants(graph)
    for node in graph.graph.node:
        name = node.output[0]
        if name in graph.done or name in graph.tensors or name in graph.quantised:
            continue  # converted together with an earlier node
        if node.op_type == "DequantizeLinear":
            dequantise(graph, node)
        elif node.op_type == "QuantizeLinear":
            quantise(graph, node)
        elif node.op_type == "Cast":
            map_operators.cast(graph, node)
        elif not write_int8(graph, node):
            write = _WRITERS.get(node.op_type)
            graph.expect(node, write is not None)
            assert write is not None
            graph.tensors[name] = write(graph, node)
    return graph.content()


_WRITERS: Mapping[str, Callable[[Conversion, onnx.NodeProto], int]] = {
    **dict.fromkeys(vector_operators.ELEMENTWISE, vector_operators.elementwise),
    "AveragePool": map_operators.pool,
    "Clip": vector_operators.clip,
    "Concat": vector_operators.concatenation,
    "Conv": map_operators.convolution,
    "Flatten": vector_operators.flatten,
    "Gemm": vector_operators.gemm,
    "GlobalAveragePool": vector_operators.global_mean,
    "HardSigmoid": vector_operators.hard_sigmoid,
    "Identity": vector_operators.identity,
    "LpNormalization": vector_operators.length_one,
    "MatMul": vector_operators.gemm,
    "MaxPool": map_operators.pool,
    "ReduceMean": vector_operators.reduced,
    "ReduceSum": vector_operators.reduced,
    "Reshape": vector_operators.reshape,
    "Softmax": vector_operators.softmax,
    "Squeeze": vector_operators.reshape,
    "TopK": vector_operators.smallest,
    "Transpose": map_operators.transpose,
}
