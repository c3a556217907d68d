"""Ask about each picture with a head that saw nothing of its recording."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.head.discriminant import fit_head
from webcam_classifier.head.embedded_views import EmbeddedViews, fold_numbers


def left_out_logits(
    views: EmbeddedViews, label_count: int, groups: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ask about each picture once, with a head that saw no view of its group.

    Args:
        views: Of pictures in their order; each one's views stand together, the picture itself
            first.
        label_count: How many labels there are.
        groups: (views,) what is left out together; None takes the recordings.

    Returns:
        (asked,) int64 the pictures that could be asked about, and (asked, labels) float32 their
        logits, without a temperature. Nothing where a label has a single picture.
    """
    if groups is not None:
        views = dataclasses.replace(views, bursts=groups)
    pictures = np.cumsum(views.is_original) - 1
    folds = fold_numbers(views, label_count)
    asked: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    logits: list[NDArray[np.float32]] = [np.zeros((0, label_count), dtype=np.float32)]
    for fold in range(folds.max() + 1):
        learnt = views.only(folds != fold)
        if len(np.unique(learnt.label_indices)) < label_count:
            continue  # all pictures of a label are in this fold: it can't be asked
        chosen = (folds == fold) & views.is_original
        head = fit_head(learnt, label_count, temperature=1.0)
        asked.append(pictures[chosen])
        logits.append(head.logits(views.embeddings[chosen]))
    return np.concatenate(asked), np.concatenate(logits)
