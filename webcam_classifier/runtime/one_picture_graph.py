"""Rewrite a model's graph for one picture, all shapes known, to convert it to other formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from webcam_classifier.runtime.passes.graph_index import needed_nodes
from webcam_classifier.runtime.tidy_graph import tidy_graph
from webcam_classifier.temporary_files import temporary_folder


def one_picture_graph(source: Path) -> onnx.ModelProto:
    """Rewrite a graph for a batch of one.

    Torch's exporter emits arithmetic on the batch size if it is not fixed: a mean over a whole
    map is gathered from a flattened tensor by computed indices. For one picture all of that is
    constant.

    Args:
        source: A model file.

    Returns:
        The same network, tidied, with the shapes of all values. Apart from its declared shapes it
        still takes any number of pictures, as far as its operators do.
    """
    with temporary_folder() as folder:
        model = onnx.load(source)
        _fix_batch(model)
        onnx.save(model, folder / "one.onnx")
        model = tidy_graph(folder / "one.onnx")
    _fix_batch(model)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    _remove_gathering(model.graph)
    return model


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of each value by its name; an unknown length is 0."""
    graph = model.graph
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.output, *graph.value_info)
    }


def _fix_batch(model: onnx.ModelProto) -> None:
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1


def _remove_gathering(graph: onnx.GraphProto) -> None:
    """Remove each Reshape and Gather that together give back the tensor that they take."""
    model = onnx.ModelProto(graph=graph)
    shapes = shapes_of(model)
    constants = {one.name: one for one in graph.initializer}
    writers = {name: node for node in graph.node for name in node.output}
    instead: dict[str, str] = {}
    for node in graph.node:
        if node.op_type != "Gather" or node.input[1] not in constants:
            continue
        flat = writers.get(node.input[0])
        if flat is None or flat.op_type != "Reshape":
            continue
        places = numpy_helper.to_array(constants[node.input[1]])
        before = shapes.get(flat.input[0])
        in_order = np.array_equal(places.reshape(-1), np.arange(places.size))
        if in_order and places.shape == before and shapes[flat.output[0]] == (places.size,):
            instead[node.output[0]] = flat.input[0]
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = instead.get(name, name)
    needed = needed_nodes(graph.node, [output.name for output in graph.output])
    del graph.node[:]
    graph.node.extend(needed)
    read = {name for node in needed for name in node.input}
    constants_read = [one for one in graph.initializer if one.name in read]
    del graph.initializer[:]
    graph.initializer.extend(constants_read)
