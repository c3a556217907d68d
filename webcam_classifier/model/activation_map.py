"""Where on a picture a model found its label: what it would say without each place.

A convolutional network ends in a map of features, (channels, height, width), whose mean over all
places is what the head answers. To leave a place out of that mean costs nothing, so the head is
asked once without each place: where it is less sure of the label then, the label was found there.
With a linear head this is the class activation map (B. Zhou et al., "Learning Deep Features for
Discriminative Localization", 2016), and it stays exact with what stands between mean and head.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.utils import Extractor

from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import INPUT_NAME, OUTPUT_NAME
from webcam_classifier.private_onnxruntime import onnxruntime

_MAP_RANK = 4  # (batch, channels, height, width)


class ActivationMap:
    """Tells where a model found a label; one thread at a time may use it.

    Args:
        graph: From pixels to probabilities.
        name: What errors call the model.

    Raises:
        UserError: Its network has no map of features that is averaged, as AlexNet's and VGG's have
            none, or it does not end in a softmax.
    """

    def __init__(self, graph: onnx.ModelProto, name: str) -> None:
        model = onnx.shape_inference.infer_shapes(graph)
        pool = _last_average(model)
        if pool is None:
            raise UserError(
                f"{name} can't tell where it looked: its network does not average a map of "
                "features. Networks that do are SqueezeNet, ResNet, MobileNet and EfficientNet."
            )
        parts = Extractor(model)
        places, mean = pool.input[0], pool.output[0]
        self._to_map = _open(parts.extract_model([INPUT_NAME], [places]))
        self._to_answer = _open(parts.extract_model([mean], [_logits(model)]))
        self._mean = mean
        (taken,) = self._to_answer.get_inputs()
        self._ones = (1,) * (len(taken.shape) - 2)  # where the mean keeps the axes of the map
        is_half = taken.type == "tensor(float16)"
        self._number = np.float16 if is_half else np.float32

    @classmethod
    def of_file(cls, path: Path) -> ActivationMap:
        """Read a model file.

        Args:
            path: Of a model.

        Raises:
            UserError: As for its graph.
        """
        return cls(onnx.load(path), str(path))

    def heat(self, prepared: BgrImage, label: int) -> NDArray[np.float32]:
        """How much each place speaks for a label.

        Args:
            prepared: (size, size, 3) uint8, from `preprocess.prepare`.
            label: Its index among the model's labels.

        Returns:
            (height, width) float32 of the map, 0 to 1: the drop of the label's log odds without
            the place, as a share of the largest. All 0 where no place speaks for it.
        """
        (found,) = self._to_map.run(None, {INPUT_NAME: prepared[np.newaxis]})
        features = np.asarray(found[0], dtype=np.float32)
        channels, height, width = features.shape
        by_place = features.reshape(channels, height * width).T
        total = by_place.sum(axis=0)
        means = np.concatenate([total[np.newaxis], total - by_place]) / len(by_place)
        shaped = means.reshape(-1, channels, *self._ones).astype(self._number)
        (answers,) = self._to_answer.run(None, {self._mean: shaped})
        logits = np.asarray(answers, dtype=np.float64)
        others = np.delete(logits, label, axis=1)
        log_odds = logits[:, label] - np.logaddexp.reduce(others, axis=1)
        drop = np.maximum(log_odds[0] - log_odds[1:], 0.0).reshape(height, width)
        most = drop.max()
        return np.asarray(drop / most if most > 0.0 else drop, dtype=np.float32)


def _last_average(model: onnx.ModelProto) -> onnx.NodeProto | None:
    """The node that averages a map over all its places; None where there is none."""
    ranks = {one.name: len(one.type.tensor_type.shape.dim) for one in model.graph.value_info}
    node: onnx.NodeProto
    for node in reversed(model.graph.node):
        if ranks.get(node.input[0] if node.input else "") == _MAP_RANK and (
            # What torch exports says the same with a mean over the last two axes.
            node.op_type == "GlobalAveragePool" or _mean_axes(node, model) in ({2, 3}, {-2, -1})
        ):
            return node
    return None


def _mean_axes(node: onnx.NodeProto, model: onnx.ModelProto) -> set[int]:
    """The axes that a `ReduceMean` averages: an attribute, from opset 18 on an input."""
    if node.op_type != "ReduceMean":
        return set()
    for attribute in node.attribute:
        if attribute.name == "axes":
            return set(attribute.ints)
    for constant in model.graph.initializer:
        if len(node.input) > 1 and constant.name == node.input[1]:
            return set(numpy_helper.to_array(constant).ravel().tolist())
    return set()


def _logits(model: onnx.ModelProto) -> str:
    """What the last softmax takes: probabilities themselves say nothing where one rounds to 1."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    name = OUTPUT_NAME
    while name in made_by and made_by[name].op_type in ("Cast", "Identity"):
        name = made_by[name].input[0]
    node = made_by.get(name)
    if node is None or node.op_type != "Softmax":
        raise UserError("This model can't tell where it looked: it does not end in a softmax.")
    return str(node.input[0])


def _open(part: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # it runs beside the loop, which goes first
    return onnxruntime.InferenceSession(
        part.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
