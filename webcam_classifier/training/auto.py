"""Train a head and, if there is time, layers, which are kept only if measurably better."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.head.cross_validation import left_out_logits
from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.lda import fit_head
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.percentage import percentage
from webcam_classifier.preprocess import prepare
from webcam_classifier.training.auto_mode import Choice, chance_corrected_accuracy, choose
from webcam_classifier.training.paired_comparison import PairedComparison, compare_paired
from webcam_classifier.training.train_head import train_head

_logger = logging.getLogger(__name__)
_OFTEN = 0.5  # a bound on a probability from which on it says nothing but that it is high


class Trainer(Protocol):
    """What can train layers."""

    def seconds_per_epoch(self, task: TrainingTask) -> float:
        """Measure what one pass over the pictures takes."""

    def train(
        self, task: TrainingTask, embedded: EmbeddedDataset | None, epochs: int | None
    ) -> TrainingResult:
        """Fine-tune pretrained weights."""

    def train_from_scratch(self, task: TrainingTask, epochs: int) -> TrainingResult:
        """Train from random weights."""


@dataclass(frozen=True)
class AutoTrainer:
    """Trains in the way that `auto_mode.choose` chooses.

    Attributes:
        build_trainer: Builds the trainer of layers when it is needed: torch takes seconds to load.
            None if it is not installed.
        minutes: Time limit set by the user; None if there is none.
        epochs: Of fine-tuning, if there is enough time.
    """

    build_trainer: Callable[[], Trainer] | None
    minutes: float | None
    epochs: int

    def train(self, task: TrainingTask, embedded: EmbeddedDataset) -> TrainingResult:
        """Train, and return trained layers only if they are measurably better than a head.

        Fine-tuning that starts from a head decides that itself; see `choose_interpolation`.
        Otherwise the validation pictures decide. They chose the best epoch as well, so the lead has
        to be larger than the best of that many epochs has by chance. If these pictures can't tell,
        the head is kept: it is calibrated on left-out bursts, and the final one is trained on the
        validation and test pictures as well.

        Args:
            task: What to train on.
            embedded: The embeddings of its pictures.
        """
        head = train_head(task, embedded)
        trainer = None if self.build_trainer is None else functools.cache(self.build_trainer)
        choice = self._choose(task, embedded, trainer)
        if choice.mode == "head" or trainer is None:
            return dataclasses.replace(head, note=f"chosen: {choice.reason}")
        _logger.info("chosen: %s", choice.reason)  # now, since what follows takes minutes
        if choice.mode == "scratch":
            trained = trainer().train_from_scratch(task, choice.epochs)
        else:
            trained = trainer().train(task, embedded, choice.epochs)
        is_head = trained.details.get("best_epoch") == 0
        if trained.details.get("interpolation") is not None and not is_head:
            return dataclasses.replace(trained, note=f"chosen: {choice.reason}; {trained.note}")
        compared = _compare(task, embedded, trained.graph)
        if is_head or not compared.is_better(choice.epochs):
            note = f"chosen: a head: {_why_not(compared, choice, is_head)}"
            if self.minutes is not None:
                note += "; --minutes sets the time to try, not what is kept"
            note += (
                ". --mode finetune --interpolation-weight 1 keeps the trained network in any case"
            )
            return dataclasses.replace(head, note=note, superseded=trained.superseded)
        note = (
            f"chosen: {choice.reason}; it is better than a head: {_figures(compared)}, more than "
            f"chance gives the best of {choice.epochs} epochs; {trained.note}"
        )
        return dataclasses.replace(trained, note=note)

    def _choose(
        self, task: TrainingTask, embedded: EmbeddedDataset, trainer: Callable[[], Trainer] | None
    ) -> Choice:
        label_count = len(task.pictures.labels)
        learnt = embedded.of(task.split.learnt)
        asked, logits = left_out_logits(learnt, label_count)
        frozen_accuracy = None
        if asked.size:
            truths = learnt.label_indices[learnt.is_original][asked]
            frozen_accuracy = chance_corrected_accuracy(
                float((logits.argmax(axis=1) == truths).mean()), label_count
            )
        count = len(task.split.learnt) / label_count
        time_epoch = None if trainer is None else functools.partial(_time_epoch, trainer, task)
        return choose(count, frozen_accuracy, time_epoch, self.minutes, self.epochs)


def _time_epoch(trainer: Callable[[], Trainer], task: TrainingTask) -> float:
    return trainer().seconds_per_epoch(task)


def _compare(
    task: TrainingTask, embedded: EmbeddedDataset, graph: onnx.ModelProto
) -> PairedComparison:
    """Compare a trained graph on the validation pictures with a head that has not seen them."""
    places = task.split.validation
    truths = task.pictures.label_indices[places]
    return compare_paired(
        _answers_of_head(task, embedded) == truths,
        _answers_of_graph(task, graph) == truths,
        task.split.bursts[places],
    )


def _answers_of_head(task: TrainingTask, embedded: EmbeddedDataset) -> NDArray[np.int64]:
    asked = embedded.of(task.split.validation)
    asked = asked.only(asked.is_original)
    label_count = len(task.pictures.labels)
    head = fit_head(embedded.of(task.split.training), label_count, temperature=1.0)
    return np.asarray(head.logits(asked.embeddings).argmax(axis=1), dtype=np.int64)


def _answers_of_graph(task: TrainingTask, graph: onnx.ModelProto) -> NDArray[np.int64]:
    asked = task.pictures.at(task.split.validation)
    if len(asked) == 0:
        return np.zeros(0, dtype=np.int64)
    prepared = (prepare(image, task.input_size) for image in asked.images)
    answers = FeatureExtractor(graph).embed(prepared).argmax(axis=1)
    return np.asarray(answers, dtype=np.int64)


def _figures(compared: PairedComparison) -> str:
    return (
        f"{compared.candidate_right} of {compared.count} validation pictures correct, the head "
        f"{compared.baseline_right} (better on {compared.better} recordings, worse on "
        f"{compared.worse})"
    )


def _why_not(compared: PairedComparison, choice: Choice, is_head: bool) -> str:
    """Say why the head is kept instead of the trained layers."""
    if compared.count == 0:
        return "there are no validation pictures to compare fine-tuning on"
    if is_head or compared.candidate_right <= compared.baseline_right:
        return f"fine-tuning did no better: {_figures(compared)}"
    probability = compared.p_value_of_best(choice.epochs)
    often = "easily" if probability > _OFTEN else f"in up to {percentage(probability, 0)} of cases"
    return (
        f"that fine-tuning did better may be chance: {_figures(compared)}; the best of "
        f"{choice.epochs} epochs that are no better than a head gets such a lead {often}"
    )
