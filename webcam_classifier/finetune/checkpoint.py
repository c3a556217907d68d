"""Keep a trained torch network on disk, without pickle: safetensors with JSON in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from safetensors import SafetensorError

from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.network import build_network, lacks_classifier
from webcam_classifier.finetune.network_layers import PixelNetwork

_KEY = "webcam_classifier.checkpoint"


@dataclass(frozen=True)
class CheckpointCard:
    """What is needed besides the tensors to restore a network from a checkpoint.

    Attributes:
        backbone: One of `network.BACKBONES`.
        labels: The names of the outputs, in their order.
        input_size: The side of the square picture that it was trained with, in pixels.
        weights: Where the pretrained weights came from.
        hidden_units: Of each further layer in the classifier, before its last one.
        dropout: Share of hidden units that were dropped in each step.
        normalised_embedding: Whether the classifier begins with a `NormalisedEmbedding`. Files of
            earlier versions call it `unit_embedding`.
    """

    backbone: str
    labels: tuple[str, ...]
    input_size: int
    weights: str
    hidden_units: tuple[int, ...] = ()
    dropout: float = 0.0
    normalised_embedding: bool = False


def checkpoint_bytes(network: PixelNetwork, card: CheckpointCard) -> bytes:
    """Serialise a network's parameters and its card as the content of a `.safetensors` file.

    Args:
        network: On any device.
        card: What it is.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in network.network.state_dict().items()
    }
    fields = {
        "backbone": card.backbone,
        "labels": list(card.labels),
        "input_size": card.input_size,
        "weights": card.weights,
        "hidden_units": list(card.hidden_units),
        "dropout": card.dropout,
        "normalised_embedding": card.normalised_embedding,
    }
    content: bytes = safetensors.torch.save(tensors, {_KEY: json.dumps(fields)})
    return content


def load_checkpoint(path: Path) -> tuple[PixelNetwork, CheckpointCard]:
    """Read a network back, in evaluation mode, on the CPU.

    Args:
        path: A file with the content that `checkpoint_bytes` gave.

    Raises:
        UserError: The file is missing, damaged, or no checkpoint of this project.
    """
    if not path.is_file():
        raise UserError(f"There is no checkpoint {path}. Fine-tune a network, or check the name.")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            fields = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 no dict
        card = CheckpointCard(
            backbone=str(fields["backbone"]),
            labels=tuple(str(label) for label in fields["labels"]),
            input_size=int(fields["input_size"]),
            weights=str(fields["weights"]),
            hidden_units=tuple(int(units) for units in fields["hidden_units"]),
            dropout=float(fields["dropout"]),
            normalised_embedding=bool(_renamed(fields, "normalised_embedding", "unit_embedding")),
        )
        network = build_network(
            card.backbone,
            len(card.labels),
            PretrainedWeights({}, ""),
            card.hidden_units,
            card.dropout,
            card.normalised_embedding,
            lacks_classifier(card.backbone, tensors),
        )
        network.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0][:120] or type(error).__name__
        raise UserError(
            f"{path} is not a whole checkpoint of this program ({reason}). Copy it again, or "
            "fine-tune again."
        ) from error
    return PixelNetwork(network).eval(), card


def _renamed(fields: Mapping[str, Any], name: str, earlier: str) -> object:
    """Return a field by its name, or by its name in files of earlier versions."""
    return fields[name] if name in fields else fields[earlier]
