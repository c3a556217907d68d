"""Run a network on pictures as they are: its logits, and the inputs of one of its layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
import torch.nn.functional as functional
from torch import nn

from webcam_classifier.finetune.memory import MicroBatch


class PlainInputs(Protocol):
    """Pictures as live sees them, or the outputs of frozen layers for them."""

    def __len__(self) -> int:
        """How many there are."""

    def plain(self, places: range) -> torch.Tensor:
        """Some of them, (places, ...)."""


def logits_of(
    model: nn.Module, inputs: PlainInputs, micro_batch: MicroBatch, device: torch.device
) -> torch.Tensor:
    """Compute the logits, (inputs, labels) float32 on the CPU.

    Args:
        model: In evaluation mode.
        inputs: What it classifies.
        micro_batch: How many go through it together.
        device: Where it is.
    """
    return micro_batch.run(lambda size: _in_pieces(model, inputs.plain, len(inputs), size, device))


def layer_inputs(
    layer: nn.Module,
    model: nn.Module,
    give: Callable[[range], torch.Tensor],
    count: int,
    micro_batch: MicroBatch,
    device: torch.device,
) -> torch.Tensor:
    """Compute the inputs of a layer, (count, features) float32 on the CPU.

    Args:
        layer: Of the model.
        model: In evaluation mode.
        give: Gives some of the inputs.
        count: How many there are.
        micro_batch: How many go through it together.
        device: Where it is.
    """
    seen: list[torch.Tensor] = []

    def look(_layer: nn.Module, inputs: Sequence[torch.Tensor]) -> None:
        seen.append(inputs[0].cpu())

    def once(size: int) -> torch.Tensor:
        seen.clear()
        _in_pieces(model, give, count, size, device)
        return torch.cat(seen)

    with layer.register_forward_pre_hook(look):
        return micro_batch.run(once).clone()  # out of inference mode


def loss_and_accuracy(logits: torch.Tensor, targets: torch.Tensor) -> tuple[float, float]:
    """Compute the mean cross-entropy, and the accuracy, 0 to 1.

    Args:
        logits: (pictures, labels).
        targets: (pictures,) int64, the right label of each.
    """
    loss = float(functional.cross_entropy(logits, targets))
    return loss, float((logits.argmax(1) == targets).float().mean())


def _in_pieces(
    model: nn.Module,
    give: Callable[[range], torch.Tensor],
    count: int,
    size: int,
    device: torch.device,
) -> torch.Tensor:
    with torch.inference_mode():
        parts = [
            model(give(range(start, min(start + size, count))).to(device)).cpu()
            for start in range(0, count, size)
        ]
    return torch.cat(parts)
