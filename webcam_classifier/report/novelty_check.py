"""Test how well unknown pictures are detected: leave each label out in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.evaluation.auroc import auroc
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.embedding_sums import pool_evenly
from webcam_classifier.head.folds import fold_numbers
from webcam_classifier.head.lda import sums_by_label
from webcam_classifier.head.novelty import KNOWN_SHARE, Novelty, fit_novelty

_FOLDS = 2
_MOST_LABELS = 8  # left out in turn; of more labels, so many evenly
_MOST_VIEWS = 1500  # more hardly change what is found, and take longer


@dataclass(frozen=True)
class OutOfDistributionCheck:
    """How well one kind of unknown picture is separated from held-out known ones.

    Attributes:
        name: A label that was left out, or a kind of `ood_pictures`.
        auroc: Probability that an unknown picture has a higher score than a known one, 0 to 1.
        accepted: Share of the unknown that pass as known when 95 % of the known do, 0 to 1.
        count: How many unknown pictures there were.
    """

    name: str
    auroc: float
    accepted: float
    count: int


@dataclass(frozen=True)
class NoveltyCheck:
    """The results; a dictionary of them is suitable for JSON.

    Attributes:
        left_out: Each label as the unknown one; empty with two labels or a single burst.
        out_of_distribution: Each kind of picture that is of no label.
    """

    left_out: tuple[OutOfDistributionCheck, ...]
    out_of_distribution: tuple[OutOfDistributionCheck, ...]

    @property
    def auroc(self) -> float | None:
        """The mean over the labels that were left out."""
        if not self.left_out:
            return None
        return float(np.mean([check.auroc for check in self.left_out]))


def check_novelty(
    views: EmbeddedViews,
    labels: Sequence[str],
    out_of_distribution: Mapping[str, NDArray[np.float32]] | None = None,
) -> NoveltyCheck:
    """Leave each label out in turn, and test whether its pictures are unknown.

    Known pictures are of left-out bursts too, so that a new burst alone does not count as unknown.

    Args:
        views: Frozen embeddings of the training pictures.
        labels: The names.
        out_of_distribution: Embeddings of pictures of no label by their kind, each (pictures,
            features), such as those of `ood_pictures`.
    """
    views = _fewer(views)
    folds = fold_numbers(views, len(labels), _FOLDS)
    left_out: dict[int, _Shares] = {}
    if len(labels) > 2:
        places = np.linspace(0, len(labels) - 1, min(len(labels), _MOST_LABELS))
        left_out = {place: _Shares() for place in places.round().astype(np.int64).tolist()}
    asked = {name: _Shares() for name in out_of_distribution or {}}
    for fold in range(folds.max(initial=-1) + 1):
        taught = folds != fold
        held_out = views.only((folds == fold) & views.is_original)
        if len(np.unique(views.label_indices[taught])) < len(labels):
            continue
        by_label = sums_by_label(views, len(labels), taught)
        sums = pool_evenly(by_label)
        for left, shares in left_out.items():
            is_left = views.label_indices == left
            known = held_out.only(held_out.label_indices != left)
            if len(known.label_indices) == 0:
                continue
            others = sums.without_label(left, by_label[left])
            novelty = fit_novelty(views, len(labels) - 1, known, taught & ~is_left, others)
            shares.add(novelty, known, views.embeddings[is_left & views.is_original])
        if out_of_distribution and len(held_out.label_indices):
            novelty = fit_novelty(views, len(labels), held_out, taught, sums)
            for name, embeddings in out_of_distribution.items():
                asked[name].add(novelty, held_out, embeddings)
    return NoveltyCheck(
        tuple(found for left, own in left_out.items() for found in own.checks(labels[left])),
        tuple(found for name, own in asked.items() for found in own.checks(name)),
    )


class _Shares:
    """How well unknown pictures are separated from known ones, fold by fold."""

    def __init__(self) -> None:
        self._aurocs: list[float] = []
        self._accepted: list[float] = []
        self._count = 0

    def add(self, novelty: Novelty, held_out: EmbeddedViews, unknown: NDArray[np.float32]) -> None:
        """Compare the known pictures that a fold held out with unknown ones."""
        known = novelty.scores(held_out.embeddings)
        border = np.quantile(known, KNOWN_SHARE)
        found = novelty.scores(unknown)
        self._aurocs.append(auroc(known, found))
        self._accepted.append(float((found <= border).mean()))
        self._count = len(unknown)

    def checks(self, name: str) -> list[OutOfDistributionCheck]:
        """The means over folds; nothing where no fold could be asked."""
        if not self._aurocs:
            return []
        means = float(np.mean(self._aurocs)), float(np.mean(self._accepted))
        return [OutOfDistributionCheck(name, *means, self._count)]


def _fewer(views: EmbeddedViews) -> EmbeddedViews:
    """Leave out augmented views where there are many pictures."""
    if len(views.is_original) <= _MOST_VIEWS:
        return views
    share = _MOST_VIEWS / len(views.is_original)
    kept = np.random.default_rng(0).random(len(views.is_original)) < share
    return views.only(views.is_original | kept)
