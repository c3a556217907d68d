"""Fine-tuning on request, with a head as the result if that is as good."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.training.train_head import train_head


class LayersTrainer(Protocol):
    """What can train layers."""

    def train(
        self, task: TrainingTask, embedded: EmbeddedDataset | None, epochs: int | None = None
    ) -> TrainingResult:
        """Fine-tune pretrained weights."""


def finetune_or_head(
    trainer: LayersTrainer, task: TrainingTask, embedded: EmbeddedDataset | None
) -> TrainingResult:
    """Train layers; if they are no better on left-out pictures, fit a head instead.

    That head is trained on all pictures, because none has to be held out for validation.

    Args:
        trainer: Of layers.
        task: What to train on.
        embedded: The embeddings of its pictures; without them the trained layers are kept.
    """
    trained = trainer.train(task, embedded)
    is_start = trained.details.get("best_epoch") == 0 and not trained.details.get("interrupted")
    if embedded is None or not is_start:
        return trained
    details = {"tried": trained.details}
    head = train_head(task, embedded)
    return dataclasses.replace(
        head, note=trained.note, details=head.details | details, superseded=trained.superseded
    )
