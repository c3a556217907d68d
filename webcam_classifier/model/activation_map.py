"""Where in a picture a model found its label: how sure it would be without each place.

A convolutional network ends in a feature map, (channels, height, width), and its head classifies
the mean over all places. Leaving a place out of that mean costs nothing, so the head is run once
without each place. Where it is then less sure of the label, it had found the label.

With a linear head this is the class activation map (B. Zhou et al., "Learning Deep Features for
Discriminative Localization", 2016). Unlike that map, it is exact even if there are other operators
between mean and head. Joined networks have a map each, and what is found on them is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.utils import Extractor

from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import INPUT_NAME, NORMALISED_EMBEDDING_NAME, OUTPUT_NAME
from webcam_classifier.private_onnxruntime import onnxruntime

_MAP_RANK = 4  # (batch, channels, height, width)


class LogitsOfEmbeddings(Protocol):
    """A head outside of the graph, such as `head.fitted_head.FittedHead`."""

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute logits, (pictures, labels), of normalised embeddings, (pictures, features)."""


class ActivationMap:
    """Finds where a model found a label. One thread at a time may use it.

    Args:
        graph: From pixels to probabilities, or to the normalised embedding that a head outside of
            the graph classifies.
        name: What errors call the model.

    Raises:
        UserError: Its network does not average a feature map (AlexNet and VGG do not), or does not
            end in a softmax.
    """

    def __init__(self, graph: onnx.ModelProto, name: str) -> None:
        model = onnx.shape_inference.infer_shapes(graph)
        outputs = {one.name for one in model.graph.output}
        is_model = OUTPUT_NAME in outputs or NORMALISED_EMBEDDING_NAME not in outputs
        logits = _logits(model) if is_model else NORMALISED_EMBEDDING_NAME
        averages = _last_averages(model, logits)
        if not averages:
            raise UserError(
                f"{name} can't tell where it looked: its network does not average a map of "
                "features. Networks that do are SqueezeNet, ResNet, MobileNet and EfficientNet."
            )
        parts = Extractor(model)
        self._means = [node.output[0] for node in averages]
        maps = list(dict.fromkeys(node.input[0] for node in averages))
        self._to_maps = _open(parts.extract_model([INPUT_NAME], maps))
        self._map_of = [maps.index(node.input[0]) for node in averages]
        self._to_answer = _open(parts.extract_model(self._means, [logits]))
        taken = {one.name: one for one in self._to_answer.get_inputs()}
        # If a mean keeps the axes of the map.
        self._ones = [(1,) * (len(taken[mean].shape) - 2) for mean in self._means]
        is_half = taken[self._means[0]].type == "tensor(float16)"
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

    def heat(
        self, prepared: BgrImage, label: int, head: LogitsOfEmbeddings | None = None
    ) -> NDArray[np.float32]:
        """Compute how much each place contributes to a label.

        Args:
            prepared: (size, size, 3) uint8 BGR, from `preprocess.prepare`.
            label: The index of the label among the model's labels, of which there are at least two.
            head: Classifies the embedding, if the graph ends in it.

        Returns:
            (height, width) float32 of the feature map, 0 to 1: how much the log odds of the label
            drop without the place, relative to the largest drop. All 0 if they drop nowhere.
        """
        maps = self._to_maps.run(None, {INPUT_NAME: prepared[np.newaxis]})
        by_place = [_by_place(maps[number]) for number in self._map_of]
        means = [places.mean(axis=0) for places in by_place]
        drops = []
        for number, places in enumerate(by_place):
            without = (places.sum(axis=0) - places) / len(places)
            rows = [np.repeat(mean[np.newaxis], len(places) + 1, axis=0) for mean in means]
            rows[number] = np.concatenate([means[number][np.newaxis], without])
            log_odds = self._log_odds(rows, label, head)
            height, width = maps[self._map_of[number]].shape[2:]
            drop = np.maximum(log_odds[0] - log_odds[1:], 0.0).reshape(height, width)
            drops.append(drop * drop.size)  # for the same area of the picture on every map
        return _together(drops)

    def _log_odds(
        self,
        means: Sequence[NDArray[np.float32]],
        label: int,
        head: LogitsOfEmbeddings | None,
    ) -> NDArray[np.float64]:
        """Compute the log odds of the label, (rows,), from each map's means, (rows, channels)."""
        fed = {
            name: rows.reshape(*rows.shape, *ones).astype(self._number)
            for name, rows, ones in zip(self._means, means, self._ones, strict=True)
        }
        (answers,) = self._to_answer.run(None, fed)
        if head is not None:
            answers = head.logits(answers)
        logits = np.asarray(answers, dtype=np.float64)
        others = np.delete(logits, label, axis=1)
        return np.asarray(logits[:, label] - np.logaddexp.reduce(others, axis=1))


def _by_place(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Reshape a feature map (1, channels, height, width) to (places, channels)."""
    channels = features.shape[1]
    return np.asarray(features[0].reshape(channels, -1).T, dtype=np.float32)


def _together(drops: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Add the drops on maps of several sizes, on the finest one, and scale them to 0 to 1."""
    height, width = max((drop.shape for drop in drops), key=lambda shape: shape[0] * shape[1])
    total = np.sum([cv2.resize(drop, (width, height)) for drop in drops], axis=0)
    most = total.max()
    return np.asarray(total / most if most > 0.0 else total, dtype=np.float32)


def _last_averages(model: onnx.ModelProto, logits: str) -> list[onnx.NodeProto]:
    """Return the nodes that average a map over all its places, each the last one before the logits.

    Joined networks have one each. Empty if the pixels reach the logits without such a node.
    """
    ranks = {one.name: len(one.type.tensor_type.shape.dim) for one in model.graph.value_info}
    made_by = {name: node for node in model.graph.node for name in node.output}
    averages: list[onnx.NodeProto] = []
    seen: set[str] = set()
    waiting = [logits]
    while waiting:
        name = waiting.pop()
        if name == INPUT_NAME:
            return []
        node = made_by.get(name)
        if node is None or name in seen:  # a weight, or already seen
            continue
        seen.add(name)
        if ranks.get(node.input[0] if node.input else "") == _MAP_RANK and (
            # Torch exports it as a mean over the last two axes.
            node.op_type == "GlobalAveragePool" or _mean_axes(node, model) in ({2, 3}, {-2, -1})
        ):
            averages.append(node)
        else:
            waiting.extend(node.input)
    return averages


def _mean_axes(node: onnx.NodeProto, model: onnx.ModelProto) -> set[int]:
    """Return the axes of a `ReduceMean`: an attribute, or an input from opset 18 on."""
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
    """Return the name of the logits, because the probabilities say nothing once one rounds to 1.

    Raises:
        UserError: The graph does not end in a softmax.
    """
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
    options.intra_op_num_threads = 1  # it runs beside the live loop, which has priority
    return onnxruntime.InferenceSession(
        part.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
