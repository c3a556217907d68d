"""Frozen networks of timm (PyTorch Image Models): their weights, and their features as ONNX."""

from __future__ import annotations

import difflib
import inspect
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import timm
import torch
from torch import nn

from webcam_classifier.backbone.feature_graph import EMBEDDING_NAME
from webcam_classifier.backbone.weights import PretrainedWeights, Tensors
from webcam_classifier.errors import UserError
from webcam_classifier.finetune import network_export
from webcam_classifier.finetune.network_layers import PixelNetwork
from webcam_classifier.finetune.torch_weights import read_weights_file
from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.private_onnxruntime import onnxruntime

PERMISSIVE = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0")
"""Licences of weights that allow every use; timm's networks also come with others."""

_WEIGHTS_FILE = "model.safetensors"  # on the hub; pickles beside it are never read
_LARGEST_DIFFERENCE = 1e-3  # of a feature, relative to the largest one
_COMPARED = 2  # random pictures

_logger = logging.getLogger(__name__)


def timm_input_size(name: str) -> int:
    """Return the side of the pictures that a network was trained on, in pixels.

    Args:
        name: timm's, such as `mobilenetv4_conv_small`, with or without the tag of its weights.

    Raises:
        UserError: timm has no such network.
    """
    return int(_configuration(name).input_size[-1])


def load_timm_weights(name: str, weights: str) -> PretrainedWeights:
    """Get a network's pretrained weights.

    Args:
        name: timm's.
        weights: `auto` for those of the Hugging Face hub, or the path of a state dict with timm's
            names: `.safetensors`, `.pth` or `.pt`.

    Raises:
        UserError: The network is unknown, or its weights can't be had, read, or are another
            network's, or their licence does not allow every use.
    """
    configuration = _configuration(name)
    if weights != "auto":
        pretrained = read_weights_file(Path(weights))
    else:
        path = _fetch(name, configuration)
        found = read_weights_file(path)
        source = f"timm {configuration.hf_hub_id}, {found.source}, licence {configuration.license}"
        pretrained = PretrainedWeights(found.tensors, source)
    return PretrainedWeights(_fitting(name, pretrained), pretrained.source)


def export_timm_features(
    name: str, pretrained: PretrainedWeights, input_size: int
) -> onnx.ModelProto:
    """Write a frozen network without its classifier, and compare the graph with the network.

    Args:
        name: timm's.
        pretrained: From `load_timm_weights`.
        input_size: The side of the square picture, in pixels.

    Returns:
        From `pixels` (batch, size, size, 3) uint8 BGR to `embedding` (batch, D) float32, what
        timm's classifier would take.

    Raises:
        UserError: The network takes pictures of another size only, or the graph differs from it.
    """
    configuration = _configuration(name)
    own_size = int(configuration.input_size[-1])
    if configuration.fixed_input_size and input_size != own_size:
        raise UserError(
            f"{name} takes pictures of {own_size} pixels only. Leave --input-size out, or name "
            "another network."
        )
    body = _build(name)
    tensors = {key: torch.from_numpy(own) for key, own in pretrained.tensors.items()}
    body.load_state_dict(tensors, strict=False)  # what counts batches is in no file of weights
    network = PixelNetwork(body, configuration.mean, configuration.std)
    network.eval().requires_grad_(False)
    try:
        graph = network_export.export_network(_WithConvolution(network), input_size, EMBEDDING_NAME)
    except Exception as error:  # the exporter raises whatever its parts raise
        cause = error.__cause__ or error  # the exporter's own text only names its step
        reason = str(cause).strip().partition("\n")[0][:160] or type(cause).__name__
        raise UserError(
            f"torch can't write {name} as ONNX ({reason}). Name another network."
        ) from error
    _check_graph(name, network, graph, input_size)
    return graph


def _configuration(name: str) -> Any:  # noqa: ANN401 timm's PretrainedCfg, of which it has no types
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        meant = f" Did you mean {' or '.join(f'timm/{one}' for one in close)}?" if close else ""
        raise UserError(
            f"timm {timm.__version__} has no network {architecture!r}.{meant} "
            "`python -c 'import timm; print(timm.list_models(pretrained=True))'` lists them."
        )
    known = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in known:
        raise UserError(
            f"timm {timm.__version__} has no weights {name!r}. It has: {', '.join(known) or 'none'}"
        )
    configuration = timm.get_pretrained_cfg(name)
    if configuration is None:
        raise UserError(
            f"timm {timm.__version__} does not say how the pictures of {name!r} are prepared. Name "
            "another network."
        )
    return configuration


def _fetch(name: str, configuration: Any) -> Path:  # noqa: ANN401 see `_configuration`
    """Get the file of weights from the hub's cache or the hub."""
    if not configuration.hf_hub_id:
        raise UserError(
            f"timm names no weights of {name} on the Hugging Face hub. Name a file of them with "
            "--weights FILE, or another network."
        )
    if configuration.license not in PERMISSIVE:
        raise UserError(
            f"The weights of {name} have the licence {configuration.license or 'unknown'}, which "
            f"may forbid some uses; taken by themselves are {', '.join(PERMISSIVE)}. If it allows "
            f"yours, download {_WEIGHTS_FILE} of https://huggingface.co/{configuration.hf_hub_id} "
            "and name it with --weights FILE, or name another network."
        )
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    kept = try_to_load_from_cache(configuration.hf_hub_id, _WEIGHTS_FILE)
    if isinstance(kept, str):
        return Path(kept)
    _logger.info("fetching the pretrained weights of timm/%s (once)", name)
    try:
        return Path(hf_hub_download(configuration.hf_hub_id, _WEIGHTS_FILE))
    except Exception as error:  # it raises its own errors, the network's and the disk's
        reason = str(error).strip().partition("\n")[0][:160] or type(error).__name__
        raise UserError(
            f"The pretrained weights of timm/{name} can't be fetched ({reason}). Connect this "
            f"machine to huggingface.co, or download {_WEIGHTS_FILE} of "
            f"https://huggingface.co/{configuration.hf_hub_id} elsewhere and name it with "
            "--weights FILE."
        ) from error


def _build(name: str, classes: int | None = 0) -> nn.Module:
    """Build a network, (N, 3, size, size) to (N, D); None gives it the classifier it came with."""
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes)
    return network


def _fitting(name: str, pretrained: PretrainedWeights) -> Tensors:
    """Check that the weights are the network's, and return them without its classifier's."""
    expected, with_classifier = _shapes(name, 0), _shapes(name, None)
    tensors = {
        key: tensor
        for key, tensor in pretrained.tensors.items()
        if key in expected or key not in with_classifier
    }
    for key in sorted(expected.keys() | tensors.keys()):
        if key not in tensors:
            reason = f"it has no {key!r}"
        elif key not in expected:
            reason = f"it has {key!r}, which that network has not"
        elif tensors[key].shape != expected[key]:
            reason = f"{key!r} is {tensors[key].shape}, that network's is {expected[key]}"
        elif not np.isfinite(tensors[key]).all():
            reason = f"{key!r} holds what is not a number"
        else:
            continue
        raise UserError(
            f"{pretrained.source} does not hold weights of timm/{name}: {reason}. Name the network "
            "that it belongs to, or another file."
        )
    return tensors


def _shapes(name: str, classes: int | None) -> dict[str, tuple[int, ...]]:
    """Every floating-point tensor's shape; no classes leave the classifier out."""
    with torch.device("meta"):
        state = _build(name, classes).state_dict()
    return {key: tuple(own.shape) for key, own in state.items() if own.is_floating_point()}


class _WithConvolution(nn.Module):
    """A `PixelNetwork` that normalises with a 1x1 convolution, which every runtime has.

    Folding it into the network's first convolution would need to know which layers take the
    pictures, and how these pad them.
    """

    def __init__(self, network: PixelNetwork) -> None:
        super().__init__()
        self.network = network.network
        scale = 1.0 / network.deviation.flatten()
        self.normalise = nn.Conv2d(3, 3, 1).requires_grad_(False)
        self.normalise.weight.copy_(torch.diag(scale).flip(1).reshape(3, 3, 1, 1))
        assert self.normalise.bias is not None
        self.normalise.bias.copy_(-network.mean.flatten() * scale)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.network(self.normalise(pixels.permute(0, 3, 1, 2).float()))
        return output


def _check_graph(name: str, network: PixelNetwork, graph: onnx.ModelProto, input_size: int) -> None:
    shape = (_COMPARED, input_size, input_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels)).numpy()
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run([EMBEDDING_NAME], {INPUT_NAME: pixels})
    largest = float(np.abs(expected).max())
    difference = float(np.abs(found - expected).max())
    if not difference <= _LARGEST_DIFFERENCE * largest:
        raise UserError(
            f"The exported graph of {name} differs from the network by {difference:.1e} of "
            f"features up to {largest:.1e}. Nothing was kept; try another version of torch or "
            "another network."
        )


EXPORT_SOURCES = b"".join(
    [
        inspect.getsource(sys.modules[__name__]).encode(),
        network_export.EXPORT_SOURCES,
        timm.__version__.encode(),
    ]
)
"""What decides on an exported graph besides its weights: one of another version is none of this."""
