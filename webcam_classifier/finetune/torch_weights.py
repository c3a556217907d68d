"""Read pretrained weights of torchvision's networks: cached, downloaded, or from a file."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision

from webcam_classifier.backbone.weights import (
    PretrainedWeights,
    Tensors,
    read_safetensors,
    squeezenet1_1_weights,
)
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.network import check_backbone, check_weights_fit

_logger = logging.getLogger(__name__)


def load_pretrained(backbone: str, weights: str) -> PretrainedWeights:
    """Get a network's pretrained weights.

    Args:
        backbone: One of `network.BACKBONES`.
        weights: `auto` for ImageNet's, `none` for random ones, or the path of a state dict with
            torchvision's names: `.safetensors`, `.pth` or `.pt`. Layers may be missing from it;
            `network.what_is_missing` says which.

    Raises:
        UserError: The backbone is unknown, or the weights can't be had, read, or are another
            network's.
    """
    check_backbone(backbone)
    if weights == "none":
        return PretrainedWeights({}, "none (random)")
    if weights != "auto":
        pretrained = read_weights_file(Path(weights))
    elif backbone == "squeezenet1_1":
        pretrained = squeezenet1_1_weights()
    else:
        pretrained = _torchvision_weights(backbone)
    check_weights_fit(backbone, pretrained)
    return pretrained


def read_weights_file(path: Path) -> PretrainedWeights:
    """Read a state dict, whatever network it is of.

    Args:
        path: A `.safetensors`, `.pth` or `.pt` file.

    Raises:
        UserError: It can't be read, or holds anything but tensors by name.
    """
    return PretrainedWeights(_read(path), f"{path.name}, sha256 {_hash(path)}")


def _torchvision_weights(backbone: str) -> PretrainedWeights:
    # The first recipe's weights: the later ones are better at ImageNet's own classes, which is
    # what they were tuned to, and worse as features for other pictures.
    entry = torchvision.models.get_model_weights(backbone)["IMAGENET1K_V1"]
    name = str(entry.url).rpartition("/")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        _download(backbone, str(entry.url), path)
    source = f"ImageNet, torchvision {name}, sha256 {_hash(path)}"
    return PretrainedWeights(_read(path), source)


def _download(backbone: str, url: str, path: Path) -> None:
    _logger.info("fetching the pretrained weights of %s (once)", backbone)
    hash_prefix = path.stem.rpartition("-")[2]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix, progress=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: the hash differs
        raise UserError(
            f"The pretrained weights of {backbone} can't be fetched ({error}). Connect this "
            f"machine to {url.split('/')[2]}, or copy {path.name} from a machine that has it to "
            f"{path.parent}, or name a file of torchvision weights with --weights FILE."
        ) from error


def _read(path: Path) -> Tensors:
    if path.suffix.lower() == ".safetensors":
        # How many batches a layer has seen is no weight, and in `.pth` files no floating point.
        return {
            name: tensor
            for name, tensor in read_safetensors(path).items()
            if not name.endswith("num_batches_tracked")
        }
    if path.suffix.lower() not in {".pth", ".pt"}:
        raise UserError(
            f"{path} is not a known kind of weights file. Name a .safetensors, .pth or .pt file, "
            "or 'auto' or 'none'."
        )
    if not path.is_file():
        raise UserError(f"There is no weights file {path}. Check its name.")
    try:
        # `weights_only` refuses every pickle that asks for more than tensors.
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch.load raise nearly anything
        reason = str(error).strip().partition("\n")[0][:120] or type(error).__name__
        raise UserError(
            f"{path} can't be read as weights ({reason}). Copy it again, or save the state dict "
            "alone: torch.save(network.state_dict(), FILE)."
        ) from error
    return _tensors(state, path)


def _tensors(state: object, path: Path) -> Tensors:
    values = state if isinstance(state, dict) else {}
    tensors = {
        str(name): np.asarray(value.float().numpy(), dtype=np.float32)
        for name, value in values.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    if not tensors:
        raise UserError(
            f"{path} holds no tensors by name. Save the state dict alone: "
            "torch.save(network.state_dict(), FILE)."
        )
    return tensors


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
