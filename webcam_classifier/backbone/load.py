"""Load a frozen backbone by its name; most need torch, once, and are then cached."""

from __future__ import annotations

import functools
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from webcam_classifier.backbone.efficientnet_lite import (
    LITE_0,
    LITE_1,
    LITE_2,
    EfficientNetLite,
    efficientnet_lite_features,
)
from webcam_classifier.backbone.efficientnet_lite_weights import (
    efficientnet_lite_weights,
    read_efficientnet_lite,
)
from webcam_classifier.backbone.feature_graph import (
    squeezenet1_1_features,
    with_normalised_embedding,
)
from webcam_classifier.backbone.joined import join_features
from webcam_classifier.backbone.optional_torch import needing_torch
from webcam_classifier.backbone.weights import (
    PretrainedWeights,
    cache_folder,
    read_safetensors,
    squeezenet1_1_weights,
)
from webcam_classifier.errors import UserError
from webcam_classifier.graph_cache import cache_graph_if_possible, read_cached_graph

_logger = logging.getLogger(__name__)

DEFAULT_BACKBONE = "squeezenet1_1"
DEFAULT_INPUT_SIZE = 224  # pixels

_TIMM_PACKAGES = "timm onnxscript"

_LITES = {network.name: network for network in (LITE_0, LITE_1, LITE_2)}

TIMM_PREFIX = "timm/"
"""What the names of timm's networks begin with, as on the Hugging Face hub."""

ONLY_FROZEN = tuple(_LITES)
"""Networks whose layers can't be fine-tuned here; only a head can be trained on them. Those of timm
can't either."""

WITHOUT_TORCH = (DEFAULT_BACKBONE, *ONLY_FROZEN, f"{DEFAULT_BACKBONE}+{LITE_0.name}")
"""Networks that need no torch, with weights from a package index; the smallest first."""


@dataclass(frozen=True, eq=False)
class Backbone:
    """A frozen network whose embeddings a head is fitted on.

    Attributes:
        name: Torchvision's, or one of `WITHOUT_TORCH`, or `timm/` and timm's name, or several
            joined by a plus.
        input_size: The side of the square picture that it takes, in pixels.
        features: A graph from `pixels` (batch, size, size, 3) uint8 BGR to `normalised_embedding`
            (batch, width) float32.
        source: Where its weights came from, for the model card.
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
    """Load a frozen network.

    Names that are not in `WITHOUT_TORCH` need torch the first time, to export the network.

    Args:
        name: One of `WITHOUT_TORCH`, or torchvision's name of the network, or timm's behind
            `TIMM_PREFIX`; several with a plus between them are joined by `join_features`.
        weights: `auto` or a file; see `train.py --help`.
        input_size: The side of the square picture, in pixels.

    Raises:
        UserError: The name is unknown, the weights can't be fetched or read, or torch is missing.
    """
    if "+" in name:
        return _load_joined(name, weights, input_size)
    frozen = frozen_features(name, weights, input_size)
    return Backbone(name, input_size, with_normalised_embedding(frozen.graph), frozen.source)


def _load_joined(name: str, weights: str, input_size: int) -> Backbone:
    if weights != "auto":
        raise UserError(
            f"--weights names one file, and {name!r} is several networks. Leave --weights out."
        )
    parts = [load_backbone(part, weights, input_size) for part in name.split("+")]
    features = join_features([part.features for part in parts])
    return Backbone(name, input_size, features, "; ".join(part.source for part in parts))


def default_backbone() -> Backbone:
    """Load the default network at its usual size; see `load_backbone`."""
    return load_backbone(DEFAULT_BACKBONE, "auto", DEFAULT_INPUT_SIZE)


def is_only_frozen(name: str) -> bool:
    """Whether a network's layers can't be fine-tuned here; those of joined ones can't either."""
    return name in ONLY_FROZEN or name.startswith(TIMM_PREFIX) or "+" in name


def usual_input_size(name: str) -> int:
    """Return the side of the pictures that a network was trained on, in pixels.

    Raises:
        UserError: timm is needed to know it and not installed, or has no such network.
    """
    if name.startswith(TIMM_PREFIX) and "+" not in name:
        with needing_torch(f"The backbone {name!r}", _TIMM_PACKAGES):
            from webcam_classifier.finetune.timm_network import timm_input_size
        return timm_input_size(name.removeprefix(TIMM_PREFIX))
    return _LITES[name].input_size if name in _LITES else DEFAULT_INPUT_SIZE


@dataclass(frozen=True, eq=False)
class FrozenFeatures:
    """A backbone without its classifier.

    Attributes:
        graph: From `pixels` (batch, size, size, 3) uint8 BGR to `embedding` (batch, features)
            float32, its only output.
        source: Where the weights came from, for the model card.
    """

    graph: onnx.ModelProto
    source: str


def frozen_features(backbone: str, weights: str, input_size: int) -> FrozenFeatures:
    """Return a backbone's feature graph.

    Only a backbone that is not in `WITHOUT_TORCH`, or weights in a `.pth` file, need torch.

    Args:
        backbone: One of `WITHOUT_TORCH`, or torchvision's name of the network, or timm's behind
            `TIMM_PREFIX`.
        weights: `auto` or a file; see `train.py --help`.
        input_size: The side of the square picture, in pixels.

    Raises:
        UserError: The name is unknown, the weights can't be fetched or read, or torch is missing.
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
    if backbone in _LITES:
        pretrained = _lite_weights(_LITES[backbone], weights)
        graph = efficientnet_lite_features(_LITES[backbone], pretrained.tensors, input_size)
        return FrozenFeatures(graph, pretrained.source)
    return _exported_features(backbone, weights, input_size)


def _lite_weights(network: EfficientNetLite, weights: str) -> PretrainedWeights:
    if weights == "auto":
        return efficientnet_lite_weights(network)
    return read_efficientnet_lite(Path(weights))


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
        raise UserError(f"{path} holds weights that are not numbers. Save or copy it again.")
    content_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    return PretrainedWeights(tensors, f"{path.name}, sha256 {content_hash}")


def _exported_features(backbone: str, weights: str, input_size: int) -> FrozenFeatures:
    """Export a network with torch once, and cache the graph by a hash of its weights."""
    if backbone.startswith(TIMM_PREFIX):
        with needing_torch(f"Exporting the backbone {backbone!r}", _TIMM_PACKAGES):
            from webcam_classifier.finetune import timm_network
        name = backbone.removeprefix(TIMM_PREFIX)
        pretrained = timm_network.load_timm_weights(name, weights)
        export = functools.partial(timm_network.export_timm_features, name)
        sources = timm_network.EXPORT_SOURCES
    else:
        with needing_torch(f"Exporting the backbone {backbone!r}"):
            from webcam_classifier.finetune import network_export
            from webcam_classifier.finetune.torch_weights import load_pretrained
        pretrained = load_pretrained(backbone, weights)
        export = functools.partial(network_export.export_features, backbone)
        sources = network_export.EXPORT_SOURCES
    content = hashlib.sha256(sources)
    for key, tensor in sorted(pretrained.tensors.items()):
        content.update(key.encode() + tensor.tobytes())
    file_name = f"{backbone.replace('/', '-')}-{input_size}-{content.hexdigest()[:16]}.onnx"
    cached = cache_folder() / "features" / file_name
    kept = read_cached_graph(cached)
    if kept is not None:
        return FrozenFeatures(onnx.load_from_string(kept), pretrained.source)
    _logger.info("exporting the features of %s (once)", backbone)
    graph = export(pretrained, input_size)
    cache_graph_if_possible(cached, graph.SerializeToString())
    return FrozenFeatures(graph, pretrained.source)
