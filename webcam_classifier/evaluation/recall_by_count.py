"""Each label's recall, beside its number of training pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.split import Split
from webcam_classifier.evaluation.metrics import Evaluation


@dataclass(frozen=True)
class LabelPoint:
    """A label's recall and its number of training pictures: a point of a plot.

    Attributes:
        label: Its name.
        learnt: Training pictures of it.
        recall: Share of its test pictures that were classified correctly; nan without any.
        tested: How many test pictures that is based on.
    """

    label: str
    learnt: int
    recall: float
    tested: int


def recall_by_count(
    pictures: LabelledPictures, split: Split, evaluation: Evaluation
) -> tuple[LabelPoint, ...]:
    """Set each label's recall beside the number of its training pictures, fewest first.

    Args:
        pictures: The whole data set.
        split: Of them.
        evaluation: On the test pictures.
    """
    learnt = np.bincount(
        pictures.label_indices[split.training], minlength=len(pictures.labels)
    ).tolist()
    figures = evaluation.per_label()
    points = [
        LabelPoint(label, count, figures[label].recall, figures[label].count)
        for label, count in zip(pictures.labels, learnt, strict=True)
    ]
    return tuple(sorted(points, key=lambda point: point.learnt))
