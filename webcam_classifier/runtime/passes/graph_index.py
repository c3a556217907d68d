"""Look up producers, consumers, shapes and constants of a graph's values, for graph passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


class GraphIndex:
    """Looks up parts of a graph, and changes it in place.

    Nothing is cached: look-ups see all changes.

    Args:
        graph: Every value has one producer, as ONNX requires.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph

    def nodes(self, kind: str) -> list[onnx.NodeProto]:
        """Return the nodes of an operator type, in their order."""
        return [node for node in self.graph.node if node.op_type == kind]

    def producer(self, value: str, kind: str) -> onnx.NodeProto | None:
        """Return the node that produces a value; None if it is of another operator type."""
        for node in self.graph.node:
            if value in node.output:
                return node if node.op_type == kind else None
        return None

    def only_consumer(self, value: str, kind: str) -> onnx.NodeProto | None:
        """Return the only node that reads a value; None if there are others or its type differs."""
        if any(output.name == value for output in self.graph.output):
            return None
        readers = [node for node in self.graph.node if value in node.input]
        return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return the value of an initializer; None if there is none of this name."""
        for entry in self.graph.initializer:
            if entry.name == name:
                return numpy_helper.to_array(entry)
        return None

    def shape_of(self, value: str) -> tuple[int, ...] | None:
        """Return the shape of a value without its batch axis; None if it is unknown or not fixed.

        The graph's shapes must have been inferred before.
        """
        for info in (*self.graph.value_info, *self.graph.input, *self.graph.output):
            if info.name == value:
                lengths = [axis.dim_value for axis in info.type.tensor_type.shape.dim[1:]]
                return tuple(lengths) if lengths and all(lengths) else None
        return None

    def add_constant(self, name: str, value: NDArray[Any] | Sequence[int]) -> str:
        """Add a constant, a list of integers as int64, under a new name, and return the name."""
        array = value if isinstance(value, np.ndarray) else np.array(value, dtype=np.int64)
        self.graph.initializer.append(
            numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        )
        return name

    def insert(
        self,
        before: onnx.NodeProto,
        kind: str,
        inputs: Sequence[str],
        name: str,
        **attributes: Any,  # noqa: ANN401 ints and lists
    ) -> str:
        """Insert a node before another one, and return its output, which has the node's name."""
        place = next(index for index, node in enumerate(self.graph.node) if node is before)
        node = helper.make_node(kind, list(inputs), [name], name=name, **attributes)
        self.graph.node.insert(place, node)
        return name

    def redirect(self, old: str, new: str) -> None:
        """Let all nodes that read a value read another one instead."""
        for node in self.graph.node:
            for place, name in enumerate(node.input):
                if name == old:
                    node.input[place] = new

    def remove(self, *nodes: onnx.NodeProto) -> None:
        """Remove nodes; nothing may read their outputs, unless other nodes produce them."""
        for node in nodes:
            self.graph.node.remove(node)

    def drop_unused(self) -> None:
        """Remove the constants that nothing reads, and all shapes, which may have changed."""
        read = {name for node in self.graph.node for name in node.input}
        for entry in [entry for entry in self.graph.initializer if entry.name not in read]:
            self.graph.initializer.remove(entry)
        del self.graph.value_info[:]


def needed_nodes(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """Select the nodes that outputs depend on.

    Args:
        nodes: In topological order, as in any ONNX graph.
        outputs: Names of values.

    Returns:
        Those nodes, in the same order.
    """
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:  # noqa: ANN401 ints and lists
    """Return the value of a node's attribute, or the default if it has none of that name."""
    for entry in node.attribute:
        if entry.name == name:
            return helper.get_attribute_value(entry)
    return default


def set_attribute(node: onnx.NodeProto, name: str, value: int | Sequence[int]) -> None:
    """Set an attribute of a node, replacing one of the same name."""
    for entry in [entry for entry in node.attribute if entry.name == name]:
        node.attribute.remove(entry)
    node.attribute.append(helper.make_attribute(name, value))
