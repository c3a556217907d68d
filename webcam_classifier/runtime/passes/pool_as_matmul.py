"""Pool a weighted map by a matrix multiplication, without writing the weighted map first."""

from __future__ import annotations

import onnx

from webcam_classifier.runtime.passes.graph_index import GraphIndex


def pool_as_matmul(graph: onnx.GraphProto) -> bool:
    """Rewrite, in place, each global average of a map that is multiplied by weights of its places.

    Args:
        graph: With inferred shapes.

    Returns:
        Whether the graph was changed.
    """
    graph_index = GraphIndex(graph)
    found = False
    for pool in graph_index.nodes("GlobalAveragePool"):
        weighted = graph_index.producer(pool.input[0], "Mul")
        if weighted is None or graph_index.only_consumer(weighted.output[0], pool.op_type) is None:
            continue
        weights = graph_index.constant(weighted.input[1])
        sides = graph_index.shape_of(weighted.input[0])
        if weights is None or sides is None or weights.shape != (1, 1, *sides[1:]):
            continue
        channels, count = sides[0], weights.size
        # Channels last, as onnxruntime lays out 8-bit maps; floats are transposed for it.
        turned = graph_index.insert(
            pool, "Transpose", [weighted.input[0]], f"{pool.name}.turned", perm=[0, 2, 3, 1]
        )
        shape = graph_index.add_constant(f"{pool.name}.places", [0, count, channels])
        places = graph_index.insert(pool, "Reshape", [turned, shape], f"{pool.name}.flat")
        row = (weights.reshape(1, count) / count).astype(weights.dtype)
        share = graph_index.add_constant(f"{pool.name}.shares", row)
        product = graph_index.insert(pool, "MatMul", [share, places], f"{pool.name}.product")
        shape = graph_index.add_constant(f"{pool.name}.shape", [0, channels, 1, 1])
        pooled = graph_index.insert(pool, "Reshape", [product, shape], f"{pool.name}.map")
        graph_index.redirect(pool.output[0], pooled)
        graph_index.remove(weighted, pool)
        found = True
    return found
