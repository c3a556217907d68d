"""The training and validation inputs of a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from webcam_classifier.finetune.batches import FixedInputs, PictureInputs
from webcam_classifier.finetune.classic_views import PlainViews, choose_views
from webcam_classifier.finetune.evaluate import layer_inputs
from webcam_classifier.finetune.memory import MicroBatch
from webcam_classifier.finetune.random_views import Examples
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.frame import BgrImage


@dataclass(frozen=True, eq=False)
class LeftOutExamples:
    """Pictures that were left out; see `Examples`.

    Attributes:
        images: Each (height, width, 3) uint8 BGR.
        label_indices: (images,) int64, which label each has.
        bursts: (images,) int64, which were recorded together.
        is_independent: (images,) bool, whether no picture of its burst is trained on.
    """

    images: Sequence[BgrImage]
    label_indices: NDArray[np.int64]
    bursts: NDArray[np.int64]
    is_independent: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TrainingInputs:
    """The training and validation inputs of a network.

    Attributes:
        training: What it is trained on.
        training_labels: (training,) int64, the label's index of each.
        label_count: How many labels there are.
        validation: What it is evaluated on after each epoch; it may be empty.
        validation_labels: (validation,) int64, the label's index of each.
        validation_bursts: (validation,) int64, the burst of each.
        is_independent: (validation,) bool, whether no picture of its burst is trained on.
    """

    training: PictureInputs | FixedInputs
    training_labels: NDArray[np.int64]
    label_count: int
    validation: PictureInputs | FixedInputs
    validation_labels: NDArray[np.int64]
    validation_bursts: NDArray[np.int64]
    is_independent: NDArray[np.bool_]

    def label_weights(self) -> torch.Tensor:
        """Balanced class weights, (labels,): rare labels count as much as frequent ones."""
        counts = np.bincount(self.training_labels, minlength=self.label_count)
        weights = len(self.training_labels) / (self.label_count * np.maximum(counts, 1))
        return torch.tensor(weights, dtype=torch.float32)


def gather_training_inputs(
    training: Examples,
    validation: Examples,
    labels: tuple[str, ...],
    settings: FinetuneSettings,
) -> TrainingInputs:
    """Combine pictures with their augmentation.

    Args:
        training: What to train on.
        validation: What to evaluate on.
        labels: Their names.
        settings: Which views, and of what size.
    """
    size, seed = settings.input_size, settings.seed
    bursts = np.arange(len(validation.label_indices))
    is_independent = np.ones(len(bursts), dtype=np.bool_)
    if isinstance(validation, LeftOutExamples):
        bursts = validation.bursts
        is_independent = validation.is_independent
    views = choose_views(settings.views, training, labels, size, settings.mirrored)
    return TrainingInputs(
        training=PictureInputs(training, views, size, seed),
        training_labels=training.label_indices,
        label_count=len(labels),
        validation=PictureInputs(validation, PlainViews(validation, size), size, seed),
        validation_labels=validation.label_indices,
        validation_bursts=bursts,
        is_independent=is_independent,
    )


def behind_frozen_layers(
    inputs: TrainingInputs,
    network: nn.Module,
    classifier: nn.Module,
    micro_batch: MicroBatch,
    device: torch.device,
) -> TrainingInputs:
    """Compute the outputs of frozen layers for each picture, once for all epochs.

    Args:
        inputs: Pictures that are always shown as they are.
        network: With the classifier in it.
        classifier: The part that is trained.
        micro_batch: How many pictures go through the network together.
        device: Where the network is.
    """
    network.eval()

    def fixed(pictures: PictureInputs | FixedInputs) -> FixedInputs:
        count = len(pictures)
        if count == 0:
            return FixedInputs(torch.zeros(0, 1))
        features = layer_inputs(classifier, network, pictures.plain, count, micro_batch, device)
        return FixedInputs(features)

    training, validation = fixed(inputs.training), fixed(inputs.validation)
    return dataclasses.replace(inputs, training=training, validation=validation)
