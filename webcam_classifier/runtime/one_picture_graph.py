"""A model's graph as formats of other tools are written from it: one picture, all shapes known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from webcam_classifier.leftovers import temporary_folder
from webcam_classifier.runtime.tidy_graph import tidy_graph


def one_picture_graph(source: Path) -> onnx.ModelProto:
    """Write a graph anew for a batch of one.

    Torch's exporter computes with the batch's size where it is not known: a mean over a whole map
    is gathered from a flat list by computed places. With one picture all of that is constant.

    Args:
        source: A model file.

    Returns:
        The same network, tidied, with shapes of all values. But for its declared shapes it takes
        any number of pictures, where its operators do.
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
    """The shapes of all values by their names; 0 stands for what is not known."""
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
    """Remove each flat list from which all is gathered in its order, into the shape of before."""
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
    wanted = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    needed = [one for one in graph.initializer if one.name in wanted]
    del graph.initializer[:]
    graph.initializer.extend(needed)
