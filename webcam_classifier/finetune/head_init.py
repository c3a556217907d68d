"""Give a network's new last layer a head's weights before its other layers move."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from webcam_classifier.finetune.batches import PictureInputs
from webcam_classifier.finetune.evaluate import given_to
from webcam_classifier.finetune.memory import PicturesAtOnce
from webcam_classifier.finetune.network import output_layer
from webcam_classifier.finetune.training_inputs import Material
from webcam_classifier.head.discriminant import LinearHead, fit_head
from webcam_classifier.head.embedded_views import EmbeddedViews


def warm_up_head(
    model: nn.Module,
    material: Material,
    head: LinearHead | None,
    at_once: PicturesAtOnce,
    device: torch.device,
) -> None:
    """Start from a head on the frozen layers.

    Args:
        model: Its last layer is changed.
        material: What to learn from.
        head: Fitted on what the frozen layers give; one for other embeddings, or None, is fitted
            here, on each picture as it is and in one view.
        at_once: How many pictures go through the network at once.
        device: Where the network is.
    """
    last = output_layer(model)
    if head is None or head.weights.shape != tuple(last.weight.shape):
        head = _fit(model, last, material, at_once, device)
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(head.weights))
        last.bias.copy_(torch.from_numpy(head.bias))


def _fit(
    model: nn.Module,
    last: nn.Linear,
    material: Material,
    at_once: PicturesAtOnce,
    device: torch.device,
) -> LinearHead:
    model.eval()
    inputs = material.inputs
    gives = [inputs.plain]
    if isinstance(inputs, PictureInputs):
        gives.append(inputs.viewed)
    found = [given_to(last, model, give, len(inputs), at_once, device) for give in gives]
    pictures = np.tile(np.arange(len(inputs)), len(gives))
    views = EmbeddedViews(
        torch.cat(found).numpy(),
        material.label_indices[pictures],
        pictures,
        np.arange(len(pictures)) < len(inputs),
    )
    return fit_head(views, material.label_count)
