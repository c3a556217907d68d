"""The optimizer and its learning rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from webcam_classifier.finetune.settings import FinetuneSettings

_HEAD_RATE = 5.0  # a fitted head's rate, in multiples of the others' and of its weights' size
_WEIGHT_DECAY = 0.01
_MOMENTUM = 0.9
_WARM_UP = 0.2  # share of all steps in which the rate rises
_FIRST = 0.1  # of the highest rate, in the first step
_LAST = 0.001  # of the highest rate, in the last step


def build_optimizer(
    model: nn.Module, head: nn.Linear, settings: FinetuneSettings, head_is_fitted: bool
) -> torch.optim.Optimizer:
    """Build the optimizer of all parameters that are trained.

    Args:
        model: What is trained.
        head: Its last layer.
        settings: Which optimizer, and its highest rate.
        head_is_fitted: Whether the head was initialised with a fitted one; it has a learning rate
            of its own then.
    """
    of_head = {id(parameter) for parameter in head.parameters()}
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    body = [parameter for parameter in learning if id(parameter) not in of_head]
    rate = settings.learning_rate
    # AdamW moves every weight by about its rate, so a head on large embeddings, whose weights
    # are small, needs a small one.
    scaled = head_is_fitted and settings.optimizer == "adamw"
    head_rate = rate * _HEAD_RATE * float(head.weight.detach().std()) if scaled else rate
    groups = [{"params": list(head.parameters()), "lr": head_rate}]
    if body:
        groups.append({"params": body, "lr": rate})
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=_MOMENTUM)
    return torch.optim.AdamW(groups, weight_decay=_WEIGHT_DECAY)


def highest_rates(optimizer: torch.optim.Optimizer) -> list[float]:
    """The learning rate of each parameter group, before any step."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def set_rates(optimizer: torch.optim.Optimizer, highest: Sequence[float], factor: float) -> None:
    """Set the rate of each group for the next step.

    Args:
        optimizer: Changed.
        highest: From `highest_rates`.
        factor: From `rate_factor`.
    """
    for group, rate in zip(optimizer.param_groups, highest, strict=True):
        group["lr"] = rate * factor


def rate_factor(step: int, steps: int, schedule: str) -> float:
    """Compute a step's learning rate as a share of the highest.

    One cycle (L. Smith and N. Topin, "Super-Convergence", 2018): up and down in half waves of a
    cosine, so that the first steps don't tear the layers apart and the last ones settle.

    Args:
        step: From 0.
        steps: How many there are going to be.
        schedule: `one_cycle` or `constant`.
    """
    if schedule == "constant":
        return 1.0
    peak = _WARM_UP * steps
    if step < peak:
        return _half_wave(_FIRST, 1.0, step / peak)
    return _half_wave(1.0, _LAST, (step - peak) / max(1.0, steps - 1 - peak))


def _half_wave(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * min(1.0, share))) / 2.0
