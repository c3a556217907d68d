"""Initialise a network's new last layer with a fitted head before its other layers move."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

from webcam_classifier.finetune.batches import FixedInputs, PictureInputs
from webcam_classifier.finetune.evaluate import layer_inputs, logits_of
from webcam_classifier.finetune.memory import MicroBatch
from webcam_classifier.finetune.network import output_layer
from webcam_classifier.finetune.training_inputs import TrainingInputs
from webcam_classifier.head.cross_validation import calibrated_head
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.lda import LinearHead

_LOG_SCALES = (math.log(0.03), math.log(3.0))  # a head of smaller weights would hardly learn


def initialise_head(
    model: nn.Module,
    inputs: TrainingInputs,
    head: LinearHead | None,
    micro_batch: MicroBatch,
    device: torch.device,
) -> None:
    """Overwrite the last layer with a head that was fitted on the frozen layers.

    Fine-tuning from a random last layer distorts pretrained features; from a fitted one it does
    so less (LP-FT, A. Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution", 2022).

    Args:
        model: Its last layer is changed.
        inputs: What it is trained on.
        head: Fitted on what the frozen layers give; one for other embeddings, or None, is fitted
            here, on each picture as it is and in one view.
        micro_batch: How many pictures go through the network together.
        device: Where the network is.
    """
    last = output_layer(model)
    if head is None or head.weights.shape != tuple(last.weight.shape):
        head = _fit(model, last, inputs, micro_batch, device)
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(head.weights))
        last.bias.copy_(torch.from_numpy(head.bias))


def match_logit_scale(
    model: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    label_smoothing: float,
    micro_batch: MicroBatch,
    device: torch.device,
) -> None:
    """Multiply the last layer by what makes the training loss smallest.

    A head is calibrated on pictures much like those it was fitted on. For strong views with mixup
    and smoothed labels its logits are several times too large: of ten digits the loss is 3.0, and
    1.4 at a quarter of their size. Training would tear the layers apart to make them smaller, and
    take epochs to come back to what the head had right (benchmarks/README.md).

    Args:
        model: Its last layer is changed; which label is the likeliest stays.
        batches: What it is going to be trained on: inputs, and (rows, labels) shares of the labels.
        label_smoothing: Share of each target that is spread over all labels.
        micro_batch: How many pictures go through the network together.
        device: Where the network is.
    """
    # Loaded only now: importing it takes longer than many a command that trains nothing.
    from scipy.optimize import minimize_scalar

    model.eval()
    found, targets = [], []
    for inputs, shares in batches:
        found.append(logits_of(model, FixedInputs(inputs), micro_batch, device))
        targets.append(shares.cpu())
    logits, wanted = torch.cat(found).float(), torch.cat(targets)

    def loss(log_scale: float) -> float:
        scaled = logits * math.exp(log_scale)
        return float(functional.cross_entropy(scaled, wanted, label_smoothing=label_smoothing))

    scale = math.exp(minimize_scalar(loss, bounds=_LOG_SCALES, method="bounded").x)
    last = output_layer(model)
    with torch.no_grad():
        last.weight.mul_(scale)
        last.bias.mul_(scale)


def _fit(
    model: nn.Module,
    last: nn.Linear,
    inputs: TrainingInputs,
    micro_batch: MicroBatch,
    device: torch.device,
) -> LinearHead:
    model.eval()
    training = inputs.training
    gives = [training.plain]
    if isinstance(training, PictureInputs):
        gives.append(training.viewed)
    count = len(training)
    found = [layer_inputs(last, model, give, count, micro_batch, device) for give in gives]
    pictures = np.tile(np.arange(count), len(gives))
    views = EmbeddedViews(
        torch.cat(found).numpy(),
        inputs.training_labels[pictures],
        pictures,
        np.arange(len(pictures)) < count,
    )
    return calibrated_head(views, inputs.label_count)
