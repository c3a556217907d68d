"""Estimate how long fine-tuning takes on this machine by timing a few steps."""

from __future__ import annotations

import time

import numpy as np
import torch

from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.finetune.batches import plan_epoch, targets_of
from webcam_classifier.finetune.device import choose_device, choose_use, describe_device
from webcam_classifier.finetune.distributed import local_rank
from webcam_classifier.finetune.memory import MicroBatch
from webcam_classifier.finetune.network import build_network, output_layer
from webcam_classifier.finetune.network_layers import PixelNetwork
from webcam_classifier.finetune.optimizer import build_optimizer
from webcam_classifier.finetune.process_group import join_process_group
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.finetune.step import TrainingStep
from webcam_classifier.finetune.training_inputs import gather_training_inputs

_STEPS = 3  # the first one of a network is a slow one, and not counted


def seconds_per_epoch(
    pictures: LabelledPictures, pretrained: PretrainedWeights, settings: FinetuneSettings
) -> float:
    """Time a few training steps, including augmentation, and return the seconds of an epoch.

    Args:
        pictures: What would be trained on.
        pretrained: Of the settings' backbone.
        settings: How it would be trained.
    """
    device = choose_device(settings.device, local_rank())
    use = choose_use(describe_device(device))
    wanted = min(len(pictures), _STEPS * settings.batch_size)
    some = pictures.at(np.linspace(0, len(pictures) - 1, wanted).astype(np.int64))
    nothing = pictures.at(np.zeros(0, dtype=np.int64))
    inputs = gather_training_inputs(some, nothing, pictures.labels, settings)
    cards = [device] if device.type == "cuda" else []
    with join_process_group(device) as group, torch.random.fork_rng(cards):
        network = PixelNetwork(build_network(settings.backbone, len(pictures.labels), pretrained))
        network.to(device)
        if use.channels_last:
            network.to(memory_format=torch.channels_last)
        network.train()
        optimizer = build_optimizer(network, output_layer(network), settings, head_is_fitted=False)
        stepping = TrainingStep(
            network, optimizer, inputs.label_weights(), settings.label_smoothing, use, group,
            MicroBatch(settings.batch_size),
        )  # fmt: skip
        times = []
        for batch in plan_epoch(wanted, max(1, wanted // settings.batch_size), 0.0, 0, 1):
            started = time.perf_counter()
            rows = np.arange(len(batch.pictures))
            targets = targets_of(batch, rows, inputs.training_labels, inputs.label_count)
            stepping.take(inputs.training.batch(batch, rows), targets, len(rows))
            times.append((time.perf_counter() - started) / len(rows))
    return min(times) * len(pictures)
