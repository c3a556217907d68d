"""Train a head on frozen embeddings: no torch, a few seconds."""

from __future__ import annotations

import numpy as np

from webcam_classifier.backbone.load import Backbone
from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.learner import Learner
from webcam_classifier.head.novelty import UNKNOWN_THRESHOLD
from webcam_classifier.head.training_task import TrainingResult, TrainingTask


def train_head(task: TrainingTask, embedded: EmbeddedDataset) -> TrainingResult:
    """Fit a head with the learner, on the pictures that are for training.

    If no pictures are held out for testing, the accuracy is cross-validated over bursts, and the
    head is fitted on all of them: it is the same head as that of `live.py --teach`.

    Args:
        task: What to train on.
        embedded: The embeddings of its pictures.
    """
    learnt = set(task.split.learnt.tolist())
    if task.is_cross_validated:
        learnt = set(range(len(embedded.pictures)))
    learner = Learner(embedded.backbone, views=embedded.views_each)
    for place, picture in enumerate(embedded.pictures):
        if place in learnt:
            learner.add(picture)
    # The pictures of a data set come in the order of the folder, as they are cross-validated.
    views = embedded.views if len(learner) == len(embedded.pictures) else None
    if learner.calibrate(views) is None:
        raise ValueError("a head needs pictures of two labels")
    return head_result(learner, embedded.backbone, task.is_cross_validated)


def head_result(learner: Learner, backbone: Backbone, is_cross_validated: bool) -> TrainingResult:
    """Return the training result of a calibrated learner.

    Args:
        learner: With pictures of two labels at least.
        backbone: The frozen network.
        is_cross_validated: Whether the accuracy is that of its cross-validation.
    """
    calibration, head = learner.calibration, learner.fit()
    if calibration is None or head is None:
        raise ValueError("a head needs pictures of two labels")
    return TrainingResult(
        graph=learner.model(),
        mode="head",
        weights=backbone.source,
        details={
            "views": int(np.size(calibration.views.label_indices)),
            "temperature": head.linear.temperature,
        },
        unknown_threshold=UNKNOWN_THRESHOLD,
        strict_threshold=None if head.novelty is None else head.novelty.strict_threshold,
        cross_validation=calibration if is_cross_validated else None,
    )
