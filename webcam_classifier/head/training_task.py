"""A training task: its inputs and its result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx

from webcam_classifier.dataset.burst_numbers import labels_of_one_burst, number_bursts
from webcam_classifier.dataset.facts import DataFacts
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.split import Split
from webcam_classifier.head.learner import Calibration


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """The inputs of a training.

    Attributes:
        pictures: All pictures of the data set.
        split: Which of them are for training, validation and testing.
        test_pictures: A separate test set; None uses the split's test part.
        backbone: torchvision's name of the network.
        input_size: The side of the square picture, in pixels.
        seed: The same gives the same model.
        measured_only: Write the model that was tested, even if one trained on all pictures is
            available.
        started: When the command started, seconds on the monotonic clock.
        command: The command line that repeats it.
        facts: Statistics of the data set; None if they were not gathered.
        mirrored: Whether views are mirrored; not where labels are mirror images of each other.
    """

    pictures: LabelledPictures
    split: Split
    test_pictures: LabelledPictures | None
    backbone: str
    input_size: int
    seed: int
    measured_only: bool
    started: float
    command: str = ""
    facts: DataFacts | None = None
    mirrored: bool = True

    @property
    def is_cross_validated(self) -> bool:
        """Whether a head is cross-validated, because no pictures are held out for testing.

        It is not with a separate or predefined test set, and with `measured_only`.
        """
        held_out = self.split.test_is_given or self.measured_only
        return self.test_pictures is None and not held_out

    def without_held_back(self) -> TrainingTask:
        """The same task with all pictures for training, as in cross-validation."""
        pictures, nothing = self.pictures, np.zeros(0, dtype=np.int64)
        bursts = number_bursts(pictures.names, pictures.label_indices, pictures.fingerprints)
        split = Split(
            training=np.arange(len(pictures)),
            validation=nothing,
            test=nothing,
            bursts=bursts,
            cut_labels=labels_of_one_burst(pictures.label_indices, bursts, pictures.labels),
            are_named=self.split.are_named,
        )
        return replace(self, split=split)

    @property
    def rests_on(self) -> str:
        """How test and training pictures are kept apart, in words."""
        if self.test_pictures is not None:
            return f"pictures of another folder, {self.test_pictures.folder}"
        split = self.split
        if {"test", "validation"} & set(split.given):
            leaked = split.leaked
            near = f"; {leaked} of them near duplicates of training pictures" if leaked else ""
            return f"the predefined test part{near}"
        if set(split.cut_labels) == set(self.pictures.labels):
            return "the end of the bursts that it was trained on"
        kept_apart = "bursts that training never saw"
        if not split.are_named:
            kept_apart = (
                "pictures without a near duplicate in training "
                "(file names don't tell recordings apart)"
            )
        if split.cut_labels:
            cut = ", ".join(split.cut_labels)
            return f"{kept_apart}, but for {cut}: the end of the same burst"
        return kept_apart


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The result of a training.

    Attributes:
        graph: From pixels to probabilities. Without cross-validation, it has not seen the pictures
            that are held out for testing.
        mode: `head` or `finetune`.
        weights: Where the pretrained weights came from.
        details: What else is worth a line in metrics.json.
        checkpoint: The parameters as a safetensors file, if layers were trained.
        unknown_threshold: Of the graph's second output; None if it has none.
        strict_threshold: Likewise, of what is unlike the recordings themselves.
        note: Said at the end, such as that training was stopped early.
        superseded: Files that are not needed once the model is written.
        cross_validation: If all pictures were used for training: the predictions by heads that
            never saw a picture's burst.
    """

    graph: onnx.ModelProto
    mode: str
    weights: str
    details: dict[str, object] = field(default_factory=dict)
    checkpoint: bytes | None = None
    note: str = ""
    unknown_threshold: float | None = None
    strict_threshold: float | None = None
    superseded: tuple[Path, ...] = ()
    cross_validation: Calibration | None = None
