"""Teach by training the layers themselves with torch: better, and slower."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np

from webcam_classifier.checkpoint import CheckpointCard, checkpoint_bytes
from webcam_classifier.finetune import FinetuneSettings, finetune
from webcam_classifier.lesson import Lesson, Outcome
from webcam_classifier.network import what_is_missing
from webcam_classifier.network_export import check_export, export_classifier
from webcam_classifier.preprocess import prepare
from webcam_classifier.torch_device import choose_device
from webcam_classifier.torch_weights import load_pretrained
from webcam_classifier.weights import PretrainedWeights

_CHECKED = 100  # pictures that the exported graph is compared on


def prepare_finetune(
    backbone: str, weights: str, epochs: int | None, device: str
) -> Callable[[Lesson], Outcome]:
    """Get hold of the pretrained weights and the device, and give what teaches with them.

    Args:
        backbone: torchvision's name of the network.
        weights: `auto`, `none` or a file; see `train.py --help`.
        epochs: Passes over the pictures; None takes the default.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        UserError: The device is absent, or the weights can't be had.
    """
    choose_device(device)
    pretrained = load_pretrained(backbone, weights)
    missing = what_is_missing(backbone, pretrained)
    if missing:
        print(f"note: {missing}", file=sys.stderr)
    return lambda lesson: teach_finetune(lesson, pretrained, epochs, device)


def teach_finetune(
    lesson: Lesson, pretrained: PretrainedWeights, epochs: int | None, device: str
) -> Outcome:
    """Train a pretrained network with a new head, and export it.

    Args:
        lesson: What to learn from; its validation pictures choose the best epoch.
        pretrained: Of the lesson's backbone.
        epochs: Passes over the pictures; None takes the default.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        UserError: A setting is impossible.
    """
    pictures = lesson.pictures
    settings = FinetuneSettings(
        backbone=lesson.backbone,
        input_size=lesson.input_size,
        epochs=epochs or FinetuneSettings.epochs,
        seed=lesson.seed,
        device=device,
    )
    tuned = finetune(
        pictures.at(lesson.split.training),
        pictures.at(lesson.split.validation),
        pictures.labels,
        pretrained,
        settings,
    )
    card = CheckpointCard(lesson.backbone, pictures.labels, lesson.input_size, pretrained.source)
    note = (
        f"kept epoch {tuned.best.number} of {len(tuned.history) - 1}, chosen by {tuned.chosen_by}"
    )
    if tuned.interrupted:
        note = f"stopped early by Ctrl-C; {note}"
    history = [
        {
            "epoch": epoch.number,
            "training_loss": _or_null(epoch.training_loss),
            "validation_loss": _or_null(epoch.validation_loss),
            "validation_accuracy": _or_null(epoch.validation_accuracy),
            "seconds": epoch.seconds,
        }
        for epoch in tuned.history
    ]
    graph = export_classifier(tuned.network, lesson.input_size)
    checked = pictures.at(lesson.split.validation).images[:_CHECKED]
    prepared = np.stack([prepare(image, lesson.input_size) for image in checked])
    return Outcome(
        graph=graph,
        mode="finetune",
        weights=pretrained.source,
        details={
            "device": tuned.device,
            "best_epoch": tuned.best.number,
            "interrupted": tuned.interrupted,
            "export_difference": check_export(tuned.network, graph, prepared),
            "history": history,
        },
        checkpoint=checkpoint_bytes(tuned.network, card),
        note=note,
    )


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
