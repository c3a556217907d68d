"""How well a data set's own pictures tell what is unknown: each label left out in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.folds import NEVER_LEFT_OUT, fold_numbers
from webcam_classifier.head.novelty import KNOWN_SHARE, fit_novelty

_FOLDS = 2
_MOST_LABELS = 8  # left out in turn; of more labels, so many evenly
_MOST_VIEWS = 1500  # more hardly change what is found, and take longer


@dataclass(frozen=True)
class StrangeCheck:
    """How one kind of unknown picture was told from known ones that were held out.

    Attributes:
        name: A label that was left out, or a kind of `ood_pictures`.
        auroc: Chance that an unknown picture has a higher score than a known one, 0 to 1.
        accepted: Share of the unknown that pass for known where 95 % of the known do, 0 to 1.
        count: How many unknown pictures there were.
    """

    name: str
    auroc: float
    accepted: float
    count: int


@dataclass(frozen=True)
class NoveltyCheck:
    """What was found; a dictionary of it is fit for JSON.

    Attributes:
        left_out: Each label as the unknown one; none with two labels or without two moments.
        strange: Each kind of other pictures that were asked about.
    """

    left_out: tuple[StrangeCheck, ...]
    strange: tuple[StrangeCheck, ...]

    @property
    def auroc(self) -> float | None:
        """The mean over the labels that were left out."""
        if not self.left_out:
            return None
        return float(np.mean([check.auroc for check in self.left_out]))


def check_novelty(
    views: EmbeddedViews,
    labels: Sequence[str],
    strange: Mapping[str, NDArray[np.float32]] | None = None,
) -> NoveltyCheck:
    """Leave each label out in turn, and ask whether its pictures are found unknown.

    Known pictures are of bursts that were left out as well, so that a new moment alone does
    not pass for a new thing.

    Args:
        views: Frozen embeddings of the pictures that were taught.
        labels: The names.
        strange: Embeddings of other pictures by their kind, each (pictures, features), such as
            those of `ood_pictures`.
    """
    views = _fewer(views)
    left_out: list[StrangeCheck] = []
    if len(labels) > 2:
        places = np.linspace(0, len(labels) - 1, min(len(labels), _MOST_LABELS))
        for left in places.round().astype(np.int64).tolist():
            is_left = views.label_indices == left
            others = replace(
                views, label_indices=views.label_indices - (views.label_indices > left)
            )
            asked = views.embeddings[is_left & views.is_original]
            left_out += _checks(others, ~is_left, len(labels) - 1, {labels[left]: asked})
    every = np.ones(len(views.is_original), dtype=np.bool_)
    return NoveltyCheck(tuple(left_out), tuple(_checks(views, every, len(labels), strange or {})))


def _checks(
    views: EmbeddedViews,
    is_known: NDArray[np.bool_],
    label_count: int,
    strange: Mapping[str, NDArray[np.float32]],
) -> Iterator[StrangeCheck]:
    """Compare held-out known pictures with each kind of unknown ones, as a mean over folds.

    Only a part of the known ones is ever copied: of many pictures all of them are much.
    """
    if not strange:
        return
    aurocs: dict[str, list[float]] = {name: [] for name in strange}
    accepted: dict[str, list[float]] = {name: [] for name in strange}
    nothing = np.zeros((len(is_known), 0), dtype=np.float32)  # folds need no embeddings
    known_folds = fold_numbers(
        replace(views, embeddings=nothing).only(is_known), label_count, _FOLDS
    )
    folds = np.full(len(is_known), NEVER_LEFT_OUT, dtype=np.int64)
    folds[is_known] = known_folds
    for fold in range(known_folds.max() + 1):
        taught = is_known & (folds != fold)
        if len(np.unique(views.label_indices[taught])) < label_count:
            continue
        held_out = views.only((folds == fold) & views.is_original)
        novelty = fit_novelty(views, label_count, held_out, taught)
        known = novelty.scores(held_out.embeddings)
        border = np.quantile(known, KNOWN_SHARE)
        for name, embeddings in strange.items():
            unknown = novelty.scores(embeddings)
            truths = np.repeat([0, 1], [len(known), len(unknown)])
            scores = np.concatenate([known, unknown])
            aurocs[name].append(float(roc_auc_score(truths, scores)))
            accepted[name].append(float((unknown <= border).mean()))
    for name, embeddings in strange.items():
        if aurocs[name]:
            means = float(np.mean(aurocs[name])), float(np.mean(accepted[name]))
            yield StrangeCheck(name, *means, len(embeddings))


def _fewer(views: EmbeddedViews) -> EmbeddedViews:
    """Leave out augmented views where there are many pictures."""
    if len(views.is_original) <= _MOST_VIEWS:
        return views
    share = _MOST_VIEWS / len(views.is_original)
    kept = np.random.default_rng(0).random(len(views.is_original)) < share
    return views.only(views.is_original | kept)
