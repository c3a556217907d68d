"""Torchvision networks with a head for the user's classes, which take a camera's pixels."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection, Sequence

import torch
import torchvision
from torch import nn

from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.network_layers import (
    FeatureShares,
    LastFire,
    MiddlePool,
    NormalisedEmbedding,
)

BACKBONES = (
    "alexnet",
    "squeezenet1_0", "squeezenet1_1",
    "vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn",
    "resnet18", "resnet34", "resnet50",
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
    "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
)  # fmt: skip
"""The supported networks, by their torchvision names."""

_IMAGENET_CLASSES = 1000
_HEAD_DEVIATION = 0.01  # of a new head's weights: small, so that no class starts as the favourite


def check_backbone(name: str) -> None:
    """Refuse a name that is not in `BACKBONES`.

    Raises:
        UserError: It is not; the message names the known ones and the closest.
    """
    if name in BACKBONES:
        return
    close = difflib.get_close_matches(name, BACKBONES, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]}? Known are" if close else "Choose one of"
    raise UserError(f"There is no backbone {name!r}. {hint} {', '.join(BACKBONES)}.")


def build_network(
    backbone: str,
    class_count: int,
    pretrained: PretrainedWeights,
    hidden_units: Sequence[int] = (),
    dropout: float = 0.0,
    normalised_embedding: bool = False,
    convolutions_only: bool | None = None,
) -> nn.Module:
    """Build a torchvision network whose last layer is a new one with the user's classes.

    The logits are the last layer's own values, of either sign: torchvision's ReLU after
    SqueezeNet's head would clip negative ones, and can keep a new head from learning at all. If
    AlexNet's or VGG's weights hold only the convolutions, the new layers replace the whole
    classifier, as in tutorials: after random layers they would learn little. Hidden layers take the
    whole last feature map; a single last layer takes its mean.

    Args:
        backbone: One of `BACKBONES`.
        class_count: How many classes the user has.
        pretrained: From `load_pretrained`; what it lacks starts random.
        hidden_units: Of each further layer before the last one, if any.
        dropout: Share of the hidden units that are dropped in each step of training.
        normalised_embedding: Whether the classifier begins with a `NormalisedEmbedding`, as a
            head does.
        convolutions_only: Whether nothing is kept of AlexNet's or VGG's classifier; None: where the
            weights hold nothing of it.

    Returns:
        From (N, 3, size, size) to logits (N, class_count).

    Raises:
        UserError: The backbone is unknown, or the weights are another network's.
    """
    network = _load(backbone, pretrained)
    name, last = _output_layer_by_name(network)
    layers: list[nn.Module] = [NormalisedEmbedding()] if normalised_embedding else []
    width = last.in_features
    if convolutions_only is None:
        convolutions_only = lacks_classifier(backbone, pretrained.tensors)
    if convolutions_only:
        width = _drop_classifier(network, name, is_pooled=not hidden_units)
    for units in hidden_units:
        layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(dropout)]
        width = units
    new = nn.Linear(width, class_count)
    nn.init.normal_(new.weight, std=_HEAD_DEVIATION)
    nn.init.zeros_(new.bias)
    network.set_submodule(name, nn.Sequential(*layers, new) if layers else new)
    return network


def embedding_network(backbone: str, pretrained: PretrainedWeights) -> nn.Module:
    """Build a frozen network that ends before its last layer.

    If AlexNet's or VGG's weights hold only the convolutions, their pooled output is the embedding:
    random layers after them would only degrade it.

    Args:
        backbone: One of `BACKBONES`.
        pretrained: From `load_pretrained`.

    Returns:
        From (N, 3, size, size) to embeddings (N, D), in evaluation mode.

    Raises:
        UserError: The backbone is unknown, or the weights are another network's.
    """
    network = _load(backbone, pretrained)
    name, _ = _output_layer_by_name(network)
    if lacks_classifier(backbone, pretrained.tensors):
        network.set_submodule("avgpool", nn.AdaptiveAvgPool2d(1))
        network.set_submodule("classifier", nn.Identity())
    else:
        network.set_submodule(name, nn.Identity())
    return network.eval().requires_grad_(False)


def output_layer(network: nn.Module) -> nn.Linear:
    """Find a network's last layer: the head."""
    return _output_layer_by_name(network)[1]


def new_classifier(network: nn.Module, backbone: str) -> nn.Module:
    """Return the layers with which `build_network` replaced torchvision's last layer.

    Args:
        network: From `build_network`.
        backbone: Which it is.
    """
    return network.get_submodule(_output_layer_by_name(_on_no_memory(backbone))[0])


def has_normalised_embedding(network: nn.Module) -> bool:
    """Whether a network from `build_network` has a `NormalisedEmbedding`."""
    return any(isinstance(layer, NormalisedEmbedding) for layer in network.modules())


def without_output_layer(network: nn.Module) -> nn.Module:
    """Copy a network without its last layer and without a `NormalisedEmbedding`."""
    shortened = copy.deepcopy(network)
    shortened.set_submodule(_output_layer_by_name(shortened)[0], nn.Identity())
    units = [n for n, layer in shortened.named_modules() if isinstance(layer, NormalisedEmbedding)]
    for name in units:
        shortened.set_submodule(name, nn.Identity())
    return shortened


def lacks_classifier(backbone: str, names: Collection[str]) -> bool:
    """Whether weights of AlexNet or VGG hold the convolutions only.

    Args:
        backbone: One of `BACKBONES`.
        names: Of the tensors; none are no such weights.
    """
    if not names or not backbone.startswith(("alexnet", "vgg")):
        return False
    head = _head_prefix(backbone)
    return not any(name.startswith("classifier.") and not name.startswith(head) for name in names)


def what_is_missing(backbone: str, pretrained: PretrainedWeights) -> str:
    """Say which parts of a network the weights lack; empty if they lack none.

    Args:
        backbone: One of `BACKBONES`.
        pretrained: From `load_pretrained`.

    Returns:
        A sentence for the user, or an empty text.

    Raises:
        UserError: The backbone is unknown.
    """
    if not pretrained.tensors:
        return f"No pretrained weights: all of {backbone} starts random."
    without = lacks_classifier(backbone, pretrained.tensors)
    missing = [
        name
        for name in _body_shapes(backbone)
        if name not in pretrained.tensors and not (without and name.startswith("classifier."))
    ]
    if without and not missing:
        return (
            f"The weights hold the convolutions of {backbone} only: the new classifier stands "
            "right behind them."
        )
    if not missing:
        return ""
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in missing))
    shown = ", ".join(layers[:6]) + (" and more" if len(layers) > 6 else "")
    return f"The weights lack {len(layers)} layers of {backbone}, which start random: {shown}."


def check_weights_fit(backbone: str, pretrained: PretrainedWeights) -> None:
    """Refuse weights that belong to another network. Parts may be missing, none may be unknown.

    Args:
        backbone: One of `BACKBONES`.
        pretrained: What was read.

    Raises:
        UserError: They don't fit, or the backbone is unknown.
    """
    if not pretrained.tensors:
        return
    body = _body_shapes(backbone)
    head = _head_prefix(backbone)
    for name, tensor in pretrained.tensors.items():
        if name.startswith(head):
            continue  # replaced by the user's classes, whatever its shape
        if name not in body:
            reason = f"it has {name!r}, which that network has not"
        elif tensor.shape != body[name]:
            reason = f"{name!r} is {tensor.shape}, that network's is {body[name]}"
        else:
            continue
        raise UserError(
            f"{pretrained.source} does not hold weights of {backbone}: {reason}. Name the "
            "backbone that it belongs to, or another file."
        )
    if not body.keys() & pretrained.tensors.keys():
        raise UserError(
            f"{pretrained.source} holds no layer of {backbone} but the last. Name a file that "
            "holds its convolutions."
        )


def _load(backbone: str, pretrained: PretrainedWeights) -> nn.Module:
    """Build a network with ImageNet's last layer, and load the weights for the rest."""
    check_weights_fit(backbone, pretrained)
    head = _head_prefix(backbone)
    tensors = {
        name: torch.from_numpy(tensor)
        for name, tensor in pretrained.tensors.items()
        if not name.startswith(head)
    }
    network = _bare(backbone)
    network.load_state_dict(tensors, strict=False)
    return network


def _bare(backbone: str) -> nn.Module:
    check_backbone(backbone)
    network: nn.Module = torchvision.models.get_model(backbone, weights=None)
    if backbone.startswith("squeezenet"):
        last = LastFire(network.get_submodule("features.12"))
        network.set_submodule("features.12", last)
        # A 1x1 convolution before the average is a linear layer behind it, and dearer. Without
        # dropout: with mixup it makes people never seen no better recognised.
        linear = nn.Linear(last.before + last.given, _IMAGENET_CLASSES)
        shares = FeatureShares(last.before, last.given)
        network.classifier = nn.Sequential(MiddlePool(), shares, linear)
    return network


def _output_layer_by_name(network: nn.Module) -> tuple[str, nn.Linear]:
    linears = [
        (name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)
    ]
    return linears[-1]


def _head_prefix(backbone: str) -> str:
    """The start of the names that torchvision's own last layer has in a file of weights."""
    if backbone.startswith("squeezenet"):
        return "classifier."
    return _output_layer_by_name(_on_no_memory(backbone))[0] + "."


def _body_shapes(backbone: str) -> dict[str, tuple[int, ...]]:
    """Every floating-point tensor's shape but the last layer's, by torchvision's names."""
    head = _head_prefix(backbone)
    state = _on_no_memory(backbone).state_dict()
    return {
        name: tuple(tensor.shape)
        for name, tensor in state.items()
        if tensor.is_floating_point() and not name.startswith(head)
    }


def _on_no_memory(backbone: str) -> nn.Module:
    """Build a network without its numbers: 500 MB less for VGG when only names are wanted."""
    with torch.device("meta"):
        return _bare(backbone)


def _drop_classifier(network: nn.Module, last: str, *, is_pooled: bool) -> int:
    """Remove all of AlexNet's or VGG's classifier except its last layer.

    Args:
        network: Changed.
        last: The name of its last layer, which stays where it is.
        is_pooled: Whether what it takes becomes the mean of the feature map.

    Returns:
        How many features the last layer has to take.
    """
    classifier = network.get_submodule("classifier")
    first = next(layer for layer in classifier.modules() if isinstance(layer, nn.Linear))
    for name, _ in classifier.named_children():
        if f"classifier.{name}" != last:
            network.set_submodule(f"classifier.{name}", nn.Identity())
    if not is_pooled:
        return first.in_features
    network.set_submodule("avgpool", nn.AdaptiveAvgPool2d(1))
    channels = [layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    return channels[-1]
