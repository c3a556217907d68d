"""Find the layers of a network that lose most when it is quantised."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.private_onnxruntime import onnxruntime

_PICTURES = 8  # each holds hundreds of thousands of activations
_LAYERS = ("Conv", "Gemm")


def layers_by_loss(
    prepared: onnx.ModelProto, quantised: onnx.ModelProto, pictures: tuple[BgrImage, ...]
) -> list[str]:
    """Rank layers by how much each adds to the relative error of its input.

    The first convolution always comes first: it is cheap, and all others depend on it.

    Args:
        prepared: The graph before quantisation; every node has a name.
        quantised: The graph after it, with the same names of values.
        pictures: Prepared pictures, each (size, size, 3) uint8.

    Returns:
        Names of convolutions and fully connected layers, the worst first.
    """
    there = {name for node in quantised.graph.node for name in node.output}
    layers = [
        node for node in prepared.graph.node if node.op_type in _LAYERS and node.output[0] in there
    ]
    outside = {value.name for value in prepared.graph.input}
    wanted = {node.output[0] for node in layers} | {node.input[0] for node in layers}
    values = sorted((wanted & there) - outside)
    chosen = pictures[:: -(-len(pictures) // _PICTURES)]
    lost = np.zeros(len(values))
    present = np.zeros(len(values))
    exact, rounded = _session(prepared, values), _session(quantised, values)
    for picture in chosen:
        before, after = _run(exact, values, picture), _run(rounded, values, picture)
        for place, (right, wrong) in enumerate(zip(before, after, strict=True)):
            lost[place] += float(np.square(right - wrong).sum())
            present[place] += float(np.square(right).sum())
    errors = dict(zip(values, (lost / np.maximum(present, 1e-12)).tolist(), strict=True))
    added = {node.name: errors[node.output[0]] - errors.get(node.input[0], 0.0) for node in layers}
    ranked = sorted(added, key=lambda name: -added[name])
    first = layers[0].name
    return [first, *(name for name in ranked if name != first)]


def _session(model: onnx.ModelProto, values: list[str]) -> onnxruntime.InferenceSession:
    """Open a graph with some of its inner values as additional outputs."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    opened.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in values
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it would warn about each output without a shape
    return onnxruntime.InferenceSession(
        opened.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )


def _run(
    session: onnxruntime.InferenceSession, values: list[str], picture: BgrImage
) -> list[NDArray[np.float32]]:
    found: list[NDArray[np.float32]] = session.run(values, {INPUT_NAME: picture[np.newaxis]})
    return found
