"""Separate a network's body, which may lose precision, from its last layers, which must not."""

from __future__ import annotations

import onnx

from webcam_classifier.model_card import UNKNOWN_NAME

_BODY_KINDS = frozenset({"Conv", "Relu", "Clip", "HardSwish", "MaxPool", "Concat", "Add"})


def last_layers(graph: onnx.GraphProto) -> frozenset[str]:
    """Find the nodes from the last feature map or hidden layer to the outputs.

    They are the pooling, the normalisation of the embedding, the head, the softmax, and the score
    of unknown. They take little time, but small differences in them change the answer.

    Args:
        graph: A classifier; every node has a name.

    Returns:
        The names of the nodes.
    """
    producers = {output: node for node in graph.node for output in node.output}
    waiting = [output.name for output in graph.output]
    found: set[str] = set()
    head_seen = False
    while waiting:
        node = producers.get(waiting.pop())
        if node is None or node.name in found:
            continue
        is_of_unknown = node.name.startswith(UNKNOWN_NAME)
        joins = all(
            name in producers and producers[name].op_type == "LpNormalization"
            for name in node.input
        )  # the embeddings of several networks, see `backbone.joined`
        if node.op_type in _BODY_KINDS and not is_of_unknown and not joins:
            continue
        if node.op_type == "Gemm" and not is_of_unknown:
            if head_seen:
                continue  # a hidden layer, as in AlexNet, which has most of the weights
            head_seen = True
        found.add(node.name)
        waiting.extend(node.input)
    return frozenset(found)
