"""The results of a training: everything that the report shows and metrics.json holds."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from webcam_classifier.dataset.burst_numbers import are_bursts_named
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.listing import printable
from webcam_classifier.evaluation.background_dependence import BackgroundCheck
from webcam_classifier.evaluation.calibration import (
    ReliabilityBin,
    chance_calibration_error,
    expected_calibration_error,
    reliability,
)
from webcam_classifier.evaluation.metrics import Evaluation
from webcam_classifier.evaluation.metrics_file import HASHES_KEY, short_hashes
from webcam_classifier.evaluation.model_evaluation import ModelEvaluation, bursts_of
from webcam_classifier.evaluation.recall_by_count import recall_by_count
from webcam_classifier.evaluation.top_k import TOP, top_k_accuracy
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.model_card import ModelCard
from webcam_classifier.report.analysis import Analysis

_PACKAGES = ("numpy", "opencv-python", "onnxruntime", "onnx", "scipy", "pillow")
_MOST_MISTAKES = 12  # in the report
_TINY = 1e-12  # so that a probability of 0 has a logarithm


@dataclass(frozen=True)
class Answer:
    """The model's prediction for one test picture.

    Attributes:
        file: The picture's path below the test folder.
        truth: Its label.
        label: The answer.
        confidence: Of the answer, 0 to 1.
        unknown_score: The novelty score; None if the model has none.
    """

    file: str
    truth: str
    label: str
    confidence: float
    unknown_score: float | None

    @property
    def is_right(self) -> bool:
        """Whether the answer is correct."""
        return self.truth == self.label


@dataclass(frozen=True)
class Calibration:
    """The calibration error.

    Attributes:
        error: Expected calibration error, 0 to 1.
        bins: Answers by confidence.
        temperature: What logits are divided by in the graph.
        error_without: The error without that.
        bins_without: Likewise.
        chance: By chance alone, the error of a perfectly calibrated model is this large, or larger,
            one time in twenty.
    """

    error: float
    bins: tuple[ReliabilityBin, ...]
    temperature: float | None = None
    error_without: float | None = None
    bins_without: tuple[ReliabilityBin, ...] = ()
    chance: float = 0.0

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the error is significant."""
        return self.error > self.chance


@dataclass(frozen=True, eq=False)
class Unknowns:
    """The novelty scores of known pictures.

    Attributes:
        threshold: A picture with a higher score is unknown.
        scores: (test pictures,) float64.
    """

    threshold: float
    scores: NDArray[np.float64]

    @property
    def passing(self) -> float:
        """Share of the test pictures that count as known, 0 to 1."""
        return float((self.scores <= self.threshold).mean())


@dataclass(frozen=True, eq=False)
class Findings:
    """The results of a training task.

    Attributes:
        task: The inputs of the training.
        outcome: What came out.
        card: Of the model file.
        measured: The model's predictions for the test pictures.
        test: The test pictures.
        learnt_from_test: Whether the final model was trained on them afterwards.
        analysis: The analysis of the embeddings.
        model_bytes: Size of the model file.
        seconds: Total time.
        about_newer_model: What happened to a model that was written to the folder meanwhile; empty
            without one.
        background: Whether the model depends on it; None if that could not be tested.
        mistake_heat_maps: Heat maps of the predicted label, from `ActivationMap.heat`, by the index
            of the test picture; of the worst mistakes at the most.
    """

    task: TrainingTask
    outcome: TrainingResult
    card: ModelCard
    measured: ModelEvaluation
    test: LabelledPictures
    learnt_from_test: bool
    analysis: Analysis
    model_bytes: int
    seconds: float
    about_newer_model: str = ""
    background: BackgroundCheck | None = None
    mistake_heat_maps: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def evaluation(self) -> Evaluation:
        """The accuracy and other figures."""
        return self.measured.evaluation

    @property
    def labels(self) -> tuple[str, ...]:
        """The names, in the model's order."""
        return self.card.labels

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """One for each test picture, in their order."""
        truths = (self.test.labels[index] for index in self.test.label_indices.tolist())
        return tuple(
            Answer(file, truth, found.label, found.confidence, found.unknown_score)
            for file, truth, found in zip(
                self.test.names, truths, self.measured.predictions, strict=True
            )
        )

    @cached_property
    def worst_mistakes(self) -> tuple[int, ...]:
        """The indices of the test pictures that the report shows as worst mistakes, in order."""
        wrong = [place for place, answer in enumerate(self.answers) if not answer.is_right]
        wrong.sort(key=lambda place: -self.answers[place].confidence)
        return tuple(wrong[:_MOST_MISTAKES])

    @cached_property
    def top_k_accuracy(self) -> float | None:
        """How often the true label is among the likeliest few; None with few labels."""
        truths = [answer.truth for answer in self.answers]
        return top_k_accuracy(self.measured.predictions, truths)

    @cached_property
    def calibration(self) -> Calibration | None:
        """The calibration error; None without test pictures."""
        if not self.answers:
            return None
        probabilities = np.stack([found.probabilities for found in self.measured.predictions])
        truths = np.array([self.labels.index(answer.truth) for answer in self.answers])
        with_it = replace(
            _calibration(probabilities, truths),
            chance=chance_calibration_error(
                probabilities.max(axis=1),
                probabilities.argmax(axis=1) == truths,
                bursts_of(self.test),
            ),
        )
        temperature = self.outcome.details.get("temperature")
        if not isinstance(temperature, float):
            return with_it
        logits = np.log(probabilities.astype(np.float64) + _TINY) * temperature
        without = _calibration(softmax(logits, axis=1), truths)
        return replace(
            with_it,
            temperature=temperature,
            error_without=without.error,
            bins_without=without.bins,
        )

    @cached_property
    def unknowns(self) -> Unknowns | None:
        """The novelty scores of the test pictures; None without a threshold."""
        scores = [answer.unknown_score for answer in self.answers]
        known = [score for score in scores if score is not None]
        if self.card.unknown_threshold is None or not known:
            return None
        return Unknowns(self.card.unknown_threshold, np.array(known, dtype=np.float64))

    @property
    def bursts_are_named(self) -> bool:
        """Whether the test pictures' bursts are known by name, not only by similarity."""
        return are_bursts_named(self.test.names)

    @property
    def sessions(self) -> int | None:
        """How many runs of collect.py the pictures are from; None if names don't tell."""
        if not self.task.split.are_named:
            return None
        return len({name.rsplit("/", 1)[-1].split("-")[0] for name in self.task.pictures.names})

    def part_counts(self) -> dict[str, dict[str, int]]:
        """How many pictures of each label are in each part, and of how many bursts."""
        pictures, split = self.task.pictures, self.task.split
        table = {}
        for index, label in enumerate(pictures.labels):
            row = {
                part: int((pictures.label_indices[members] == index).sum())
                for part, members in split.parts().items()
            }
            own = split.bursts[pictures.label_indices == index]
            table[label] = {**row, "recordings": len(np.unique(own))}
        return table

    def to_dict(self) -> dict[str, object]:
        """Everything for JSON; `metrics_file` explains the keys."""
        task, outcome, card, pictures = self.task, self.outcome, self.card, self.task.pictures
        elsewhere = task.test_pictures
        found = {
            **self.evaluation.to_dict(),
            "rests_on": card.accuracy_rests_on,
            "answers": [asdict(answer) for answer in self.answers],
            f"top_{TOP}_accuracy": self.top_k_accuracy,
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "learning_curve": _as_dict(self.analysis.curve),
            "unknown": self._unknown(),
            "background_dependence": None if self.background is None else self.background.to_dict(),
            "doubted": self._label_errors(),
            "duplicates": self._duplicates(),
            "data": None if task.facts is None else task.facts.to_dict(),
            "recall_by_count": [
                {key: _without_nan(value) for key, value in asdict(point).items()}
                for point in recall_by_count(pictures, task.split, self.evaluation)
            ],
            "split": {
                **{
                    part: {"count": len(members), "pictures": [pictures.names[i] for i in members]}
                    for part, members in task.split.parts().items()
                },
                "per_label": self.part_counts(),
                "cut_labels": list(task.split.cut_labels),
                "validation_cut_labels": list(task.split.validation_cut_labels),
                "test_dataset": None if elsewhere is None else str(elsewhere.folder),
                "random_split": _as_dict(self.analysis.random_split),
            },
            "learnt_from_test": self.learnt_from_test,
            HASHES_KEY: self._learnt_hashes(),
            "mode": outcome.mode,
            "backbone": card.backbone,
            "weights": card.weights,
            "input_size": card.input_size,
            "seed": task.seed,
            "dataset": card.dataset,
            "data_hash": card.data_hash,
            "created_at": card.created_at,
            "command": task.command,
            "environment": describe_environment(),
            "runtime": self.measured.runtime,
            "model_bytes": self.model_bytes,
            "details": outcome.details,
            "skipped": [
                {"file": printable(file.path), "reason": file.reason} for file in pictures.skipped
            ],
            "milliseconds_per_picture": self.measured.milliseconds,
            "late_milliseconds_per_picture": self.measured.late_milliseconds,
            "seconds": self.seconds,
        }
        return {key: _without_nan(value) for key, value in found.items()}

    def _unknown(self) -> dict[str, object] | None:
        if self.unknowns is None:
            return None
        novelty = self.analysis.novelty
        left_out = [] if novelty is None else [asdict(check) for check in novelty.left_out]
        others = () if novelty is None else novelty.out_of_distribution
        return {
            "threshold": self.unknowns.threshold,
            "passing": self.unknowns.passing,
            "left_out_labels": left_out,
            "strange": [asdict(check) for check in others],
        }

    def _label_errors(self) -> list[dict[str, object]]:
        names, labels = self.task.pictures.names, self.task.pictures.labels
        return [
            {
                "file": names[error.picture],
                "label": labels[error.label],
                "label_probability": error.label_probability,
                "suggested": labels[error.suggested],
                "probability": error.probability,
            }
            for error in self.analysis.label_errors
        ]

    def _duplicates(self) -> dict[str, object] | None:
        found, names = self.analysis.duplicates, self.task.pictures.names
        if found is None:
            return None
        pairs = [
            {"pictures": [names[copy.first], names[copy.second]], "is_identical": copy.is_identical}
            for copy in found.across_labels
        ]
        return {"across_labels": pairs, "repeated": found.repeated}

    def _learnt_hashes(self) -> list[str]:
        """Return the hashes of the training pictures, so that evaluate.py recognises them."""
        unseen = set() if self.learnt_from_test else set(self.task.split.test.tolist())
        hashes = enumerate(short_hashes(self.task.pictures.content_hashes))
        return [content for index, content in hashes if index not in unseen]


def describe_environment() -> dict[str, str]:
    """The versions and the machine that figures depend on."""
    found = {"python": platform.python_version()}
    packages = _PACKAGES + (("torch", "torchvision") if "torch" in sys.modules else ())
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # installed by the system, under another name
            continue
    found["machine"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return found


def _calibration(probabilities: NDArray[np.floating], truths: NDArray[np.int64]) -> Calibration:
    confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truths
    return Calibration(
        expected_calibration_error(confidences, right), reliability(confidences, right)
    )


def _as_dict(found: object) -> dict[str, object] | None:
    return None if found is None else asdict(found)  # type: ignore[call-overload] # a dataclass


def _without_nan(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value
