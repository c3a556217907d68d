"""What a network is trained on and asked about, in the form that it takes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from webcam_classifier.finetune.batches import FixedInputs, PictureInputs
from webcam_classifier.finetune.classic_views import PlainViews, choose_views
from webcam_classifier.finetune.evaluate import given_to
from webcam_classifier.finetune.memory import PicturesAtOnce
from webcam_classifier.finetune.random_views import Examples
from webcam_classifier.finetune.settings import FinetuneSettings


@dataclass(frozen=True, eq=False)
class Material:
    """What a network is trained on and asked about.

    Attributes:
        inputs: What it is trained on.
        label_indices: (inputs,) int64, what each shows.
        label_count: How many labels there are.
        asked: What it is asked about after each epoch; it may be empty.
        asked_labels: (asked,) int64, what each shows.
    """

    inputs: PictureInputs | FixedInputs
    label_indices: NDArray[np.int64]
    label_count: int
    asked: PictureInputs | FixedInputs
    asked_labels: NDArray[np.int64]

    def label_weights(self) -> torch.Tensor:
        """Give each label's weight, (labels,), so that rare ones count as much as frequent ones."""
        counts = np.bincount(self.label_indices, minlength=self.label_count)
        weights = len(self.label_indices) / (self.label_count * np.maximum(counts, 1))
        return torch.tensor(weights, dtype=torch.float32)


def gather_material(
    training: Examples,
    validation: Examples,
    labels: tuple[str, ...],
    settings: FinetuneSettings,
) -> Material:
    """Give pictures and views of them to a training.

    Args:
        training: What to learn from.
        validation: What to ask about.
        labels: Their names.
        settings: Which views, and of what size.
    """
    size, seed = settings.input_size, settings.seed
    views = choose_views(settings.views, training, labels, size)
    return Material(
        inputs=PictureInputs(training, views, size, seed),
        label_indices=training.label_indices,
        label_count=len(labels),
        asked=PictureInputs(validation, PlainViews(validation, size), size, seed),
        asked_labels=validation.label_indices,
    )


def behind_frozen_layers(
    material: Material,
    network: nn.Module,
    classifier: nn.Module,
    at_once: PicturesAtOnce,
    device: torch.device,
) -> Material:
    """Compute what frozen layers make of each picture, once for all epochs.

    Args:
        material: Pictures that are always shown as they are.
        network: With the classifier in it.
        classifier: The part that learns.
        at_once: How many pictures go through the network at once.
        device: Where the network is.
    """
    network.eval()

    def fixed(pictures: PictureInputs | FixedInputs) -> FixedInputs:
        count = len(pictures)
        if count == 0:
            return FixedInputs(torch.zeros(0, 1))
        return FixedInputs(given_to(classifier, network, pictures.plain, count, at_once, device))

    return dataclasses.replace(material, inputs=fixed(material.inputs), asked=fixed(material.asked))
