"""Initialise a network's new last layer with a fitted head before its other layers move."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from webcam_classifier.finetune.batches import PictureInputs
from webcam_classifier.finetune.evaluate import layer_inputs
from webcam_classifier.finetune.memory import MicroBatch
from webcam_classifier.finetune.network import output_layer
from webcam_classifier.finetune.training_inputs import TrainingInputs
from webcam_classifier.head.cross_validation import calibrated_head
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.lda import LinearHead


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
