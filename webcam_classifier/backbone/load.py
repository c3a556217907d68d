"""The frozen backbone by name: the default one without torch, any other exported once, cached."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from webcam_classifier.backbone.feature_graph import (
    squeezenet1_1_features,
    with_normalised_embedding,
)
from webcam_classifier.backbone.optional_torch import needing_torch
from webcam_classifier.backbone.weights import (
    PretrainedWeights,
    cache_folder,
    read_safetensors,
    squeezenet1_1_weights,
)
from webcam_classifier.errors import UserError
from webcam_classifier.kept_graph import keep_graph_if_possible, read_graph

_logger = logging.getLogger(__name__)

DEFAULT_BACKBONE = "squeezenet1_1"


DEFAULT_INPUT_SIZE = 224  # pixels


@dataclass(frozen=True, eq=False)
class Backbone:
    """A frozen network whose embeddings a head is fitted on.

    Attributes:
        name: By torchvision.
        input_size: The side of the square picture that it takes, in pixels.
        features: From `pixels` to the normalised embedding, its only output.
        source: Where its weights came from, for the card.
    """

    name: str
    input_size: int
    features: onnx.ModelProto
    source: str

    @property
    def width(self) -> int:
        """How many features an embedding has."""
        return int(self.features.graph.output[0].type.tensor_type.shape.dim[1].dim_value)


def load_backbone(name: str, weights: str, input_size: int) -> Backbone:
    """Load a frozen network, which only for names other than the default needs torch, once.

    Args:
        name: torchvision's name of the network.
        weights: `auto` or a file; see `train.py --help`.
        input_size: The side of the square picture, in pixels.

    Raises:
        UserError: The name is unknown, the weights can't be had, or torch is missing.
    """
    frozen = frozen_features(name, weights, input_size)
    return Backbone(name, input_size, with_normalised_embedding(frozen.graph), frozen.source)


def default_backbone() -> Backbone:
    """The network that is used where none is named, at its usual size; see `load_backbone`."""
    return load_backbone(DEFAULT_BACKBONE, "auto", DEFAULT_INPUT_SIZE)


@dataclass(frozen=True, eq=False)
class FrozenFeatures:
    """A backbone without its classifier.

    Attributes:
        graph: From `pixels` to `embedding`, its only output.
        source: Where the weights came from, for the card.
    """

    graph: onnx.ModelProto
    source: str


def frozen_features(backbone: str, weights: str, input_size: int) -> FrozenFeatures:
    """Return a backbone's feature graph.

    Only a backbone other than the default, or weights in a `.pth` file, need torch.

    Args:
        backbone: torchvision's name of the network.
        weights: `auto` or a file; see `train.py --help`.
        input_size: The side of the square picture, in pixels.

    Raises:
        UserError: The name is unknown, the weights can't be had, or torch is missing.
    """
    if weights == "none":
        raise UserError(
            "A head needs pretrained features: --weights none would leave it with random ones. "
            "Take --mode finetune to train a network from scratch."
        )
    if backbone == DEFAULT_BACKBONE and (weights == "auto" or weights.endswith(".safetensors")):
        pretrained = _squeezenet_weights(weights)
        return FrozenFeatures(
            squeezenet1_1_features(pretrained.tensors, input_size), pretrained.source
        )
    return _exported_features(backbone, weights, input_size)


def _squeezenet_weights(weights: str) -> PretrainedWeights:
    if weights == "auto":
        return squeezenet1_1_weights()
    path = Path(weights)
    tensors = read_safetensors(path)
    if tensors.get("features.12.expand3x3.weight") is None or "features.0.weight" not in tensors:
        raise UserError(
            f"{path} does not hold torchvision's {DEFAULT_BACKBONE} (there is no "
            "features.12.expand3x3.weight in it). Name the backbone it belongs to with --backbone."
        )
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise UserError(f"{path} holds weights that are no numbers. Save or copy it again.")
    content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    return PretrainedWeights(tensors, f"{path.name}, sha256 {content_hash}")


def _exported_features(backbone: str, weights: str, input_size: int) -> FrozenFeatures:
    """Export with torch once, and keep the graph under a name that says what is in it."""
    with needing_torch(f"Exporting the backbone {backbone!r}"):
        from webcam_classifier.finetune.network_export import export_features
        from webcam_classifier.finetune.torch_weights import load_pretrained
    pretrained = load_pretrained(backbone, weights)
    content = hashlib.sha256()
    for name, tensor in sorted(pretrained.tensors.items()):
        content.update(name.encode() + tensor.tobytes())
    name = f"{backbone}-{input_size}-{content.hexdigest()[:16]}.onnx"
    cached = cache_folder() / "features" / name
    kept = read_graph(cached)
    if kept is not None:
        return FrozenFeatures(onnx.load_from_string(kept), pretrained.source)
    _logger.info("exporting the features of %s (once)", backbone)
    graph = export_features(backbone, pretrained, input_size)
    keep_graph_if_possible(cached, graph.SerializeToString())
    return FrozenFeatures(graph, pretrained.source)
