"""Add what two branches give instead of joining them first: a joined map is never written.

A 1x1 or other convolution over joined channels is the sum of convolutions over each part of them,
and onnxruntime adds the second to the first while it computes it. SqueezeNet joins its two branches
eight times; on two cores that cost one part in seven of a run.
"""

from __future__ import annotations

import onnx

from webcam_classifier.runtime.passes.graph_index import GraphLinks, attribute

_BLOCK = 16  # channels that onnxruntime computes together; other numbers would run elsewhere


def add_instead_of_join(graph: onnx.GraphProto) -> bool:
    """Rewrite, in place, each join of two maps that one convolution reads.

    A pooling between both is applied to the parts. Joins that something else reads, or whose parts
    are no multiples of 16 channels, stay.

    Args:
        graph: With inferred shapes.

    Returns:
        Whether there was one.
    """
    links = GraphLinks(graph)
    found = False
    for join in links.nodes("Concat"):
        pool = links.only_reader(join.output[0], "MaxPool")
        joined = join.output[0] if pool is None else pool.output[0]
        convolution = links.only_reader(joined, "Conv")
        widths = _widths(links, join)
        if convolution is None or widths is None or convolution.input[0] != joined:
            continue
        weight = links.constant(convolution.input[1])
        if weight is None or attribute(convolution, "group", 1) != 1:
            continue
        parts = list(join.input)
        if pool is not None:
            parts = [_copy(links, pool, [part], index) for index, part in enumerate(parts)]
        first, second = (
            links.add_constant(f"{convolution.name}.part_{index}.weight", part)
            for index, part in enumerate((weight[:, : widths[0]], weight[:, widths[0] :]))
        )
        inputs = [parts[0], first, *convolution.input[2:]]
        one = _copy(links, convolution, inputs, 0)
        other = _copy(links, convolution, [parts[1], second], 1)
        total = links.insert(convolution, "Add", [other, one], f"{convolution.name}.sum")
        links.redirect(convolution.output[0], total)
        links.remove(join, convolution, *([] if pool is None else [pool]))
        found = True
    return found


def _widths(links: GraphLinks, join: onnx.NodeProto) -> tuple[int, int] | None:
    """Give the channels of both parts, where they can be computed apart."""
    if attribute(join, "axis", 0) != 1 or len(join.input) != 2:
        return None
    shapes = [links.sides(part) for part in join.input]
    if shapes[0] is None or shapes[1] is None:
        return None
    widths = (shapes[0][0], shapes[1][0])
    return None if any(width % _BLOCK for width in widths) else widths


def _copy(links: GraphLinks, node: onnx.NodeProto, inputs: list[str], index: int) -> str:
    """Put a copy of a node before it, with other inputs, and give its output."""
    name = f"{node.name}.part_{index}"
    values = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    return links.insert(node, node.op_type, inputs, name, **values)
