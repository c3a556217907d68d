"""Teach a head, and more where more is measured to be worth it and there is time."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx

from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.head.cross_validation import left_out_logits
from webcam_classifier.head.discriminant import fit_head
from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.preprocess import prepare
from webcam_classifier.training.auto_mode import Choice, chance_corrected_accuracy, choose
from webcam_classifier.training.train_head import train_head

_logger = logging.getLogger(__name__)


class Trainer(Protocol):
    """What can train layers."""

    def seconds_per_epoch(self, task: TrainingTask) -> float:
        """Measure what one pass over the pictures takes."""

    def train(
        self, task: TrainingTask, embedded: EmbeddedDataset | None, epochs: int | None
    ) -> TrainingResult:
        """Train on from pretrained weights."""

    def train_from_scratch(self, task: TrainingTask, epochs: int) -> TrainingResult:
        """Train from random weights."""


@dataclass(frozen=True)
class AutoTrainer:
    """Teaches in the way that `auto_mode.choose` chooses.

    Attributes:
        build_trainer: Gives what trains layers, once it is needed: torch takes seconds to come.
            None where it is not installed.
        minutes: What the user gives; None where no time was named.
        epochs: Of fine-tuning, where there is time enough.
    """

    build_trainer: Callable[[], Trainer] | None
    minutes: float | None
    epochs: int

    def teach(self, task: TrainingTask, embedded: EmbeddedDataset) -> TrainingResult:
        """Teach, and never give what is worse on the validation pictures than a head.

        Args:
            task: What to learn from.
            embedded: What the frozen network makes of it.
        """
        head = train_head(task, embedded)
        trainer = None if self.build_trainer is None else functools.cache(self.build_trainer)
        choice = self._choose(task, embedded, trainer)
        _logger.info("chosen: %s", choice.reason)
        if choice.mode == "head" or trainer is None:
            return dataclasses.replace(head, note=f"chosen: {choice.reason}")
        if choice.mode == "scratch":
            trained = trainer().train_from_scratch(task, choice.epochs)
        else:
            trained = trainer().train(task, embedded, choice.epochs)
        of_head = _right_of_head(task, embedded)
        of_trained = _right_of_graph(task, trained.graph)
        count = len(task.split.validation)
        compared = f"{of_trained} of {count} validation pictures right, the head {of_head}"
        if count == 0 or of_trained < of_head or trained.details.get("best_epoch") == 0:
            note = f"chosen: a head, as training layers did no better: {compared}"
            return dataclasses.replace(head, note=note, superseded=trained.superseded)
        note = f"chosen: {choice.reason}; {compared}; {trained.note}"
        return dataclasses.replace(trained, note=note)

    def _choose(
        self, task: TrainingTask, embedded: EmbeddedDataset, trainer: Callable[[], Trainer] | None
    ) -> Choice:
        label_count = len(task.pictures.labels)
        learnt = embedded.of(task.split.learnt)
        asked, logits = left_out_logits(learnt, label_count)
        alike = None
        if asked.size:
            truths = learnt.label_indices[learnt.is_original][asked]
            alike = chance_corrected_accuracy(
                float((logits.argmax(axis=1) == truths).mean()), label_count
            )
        count = len(task.split.learnt) / label_count
        time_epoch = None if trainer is None else functools.partial(_time_epoch, trainer, task)
        return choose(count, alike, time_epoch, self.minutes, self.epochs)


def _time_epoch(trainer: Callable[[], Trainer], task: TrainingTask) -> float:
    return trainer().seconds_per_epoch(task)


def _right_of_head(task: TrainingTask, embedded: EmbeddedDataset) -> int:
    """How many validation pictures a head gets right that was taught with the others."""
    label_count = len(task.pictures.labels)
    asked = embedded.of(task.split.validation)
    asked = asked.only(asked.is_original)
    head = fit_head(embedded.of(task.split.training), label_count, temperature=1.0)
    return int((head.logits(asked.embeddings).argmax(axis=1) == asked.label_indices).sum())


def _right_of_graph(task: TrainingTask, graph: onnx.ModelProto) -> int:
    """How many validation pictures a classifier's graph gets right."""
    asked = task.pictures.at(task.split.validation)
    if len(asked) == 0:
        return 0
    prepared = (prepare(image, task.input_size) for image in asked.images)
    answers = FeatureExtractor(graph).embed(prepared).argmax(axis=1)
    return int(np.count_nonzero(answers == asked.label_indices))
