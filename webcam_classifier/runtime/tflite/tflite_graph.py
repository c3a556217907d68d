"""An ONNX graph of this program as a TFLite file, in floats or, where it is quantised, in int8.

Converters from ONNX or torch bring TensorFlow, jax or a torch of their own and pin what stands
beside them; the graphs written here are made of two dozen operators, each of which TFLite has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx

from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.runtime.tflite import map_operators, vector_operators
from webcam_classifier.runtime.tflite.conversion import Conversion
from webcam_classifier.runtime.tflite.whole_numbers import (
    dequantise,
    dequantise_constants,
    quantise,
    write_whole,
)


def tflite_bytes(model: onnx.ModelProto) -> bytes:
    """Write a graph as a TFLite file, for one picture at a time.

    Args:
        model: From `one_picture_graph`.

    Returns:
        A file with the same input and outputs, and a signature that has their names.

    Raises:
        UnwritableError: An operator is not known here, or is used in another way.
    """
    graph = Conversion(model)
    shape = graph.shapes[INPUT_NAME]
    graph.pixels[INPUT_NAME] = graph.file.value(shape, INPUT_NAME, np.uint8)
    dequantise_constants(graph)
    for node in graph.graph.node:
        name = node.output[0]
        if name in graph.done or name in graph.tensors or name in graph.quantised:
            continue  # done with a node before
        if node.op_type == "DequantizeLinear":
            dequantise(graph, node)
        elif node.op_type == "QuantizeLinear":
            quantise(graph, node)
        elif node.op_type == "Cast":
            map_operators.cast(graph, node)
        elif not write_whole(graph, node):
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
