"""Cross-validate over bursts: each picture is classified by a head that never saw its burst."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.evaluation.calibration import fit_temperature
from webcam_classifier.head.blas import one_blas_thread
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.embedding_sums import EmbeddingSums, PooledSums, PooledSumsBuilder
from webcam_classifier.head.folds import FOLDS, fold_numbers
from webcam_classifier.head.lda import SHRINKAGE, LinearHead, discriminant, fit_head
from webcam_classifier.head.novelty import Novelty, fit_distances, scaled

_BLOCK = 4096  # views at once


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The logits and novelty scores of pictures, from heads that never saw their burst.

    Attributes:
        asked: (asked,) int64, the indices of the pictures that could be classified.
        logits: (asked, labels) float64, without a temperature.
        temperature: The temperature at which the left-out views are likeliest; 1 without any.
        scores: (asked,) float32, novelty scores, on the scale of the other folds' pictures; empty
            if they were not requested.
        novelty: Fitted on all pictures, on the scale of all left-out pictures; None if it was not
            requested.
        heads: The heads, without a temperature.
        head_of: (asked,) int64, which of them classified each picture.
    """

    asked: NDArray[np.int64]
    logits: NDArray[np.float64]
    temperature: float
    scores: NDArray[np.float32]
    novelty: Novelty | None
    heads: tuple[LinearHead, ...]
    head_of: NDArray[np.int64]

    def probabilities(self) -> NDArray[np.float32]:
        """(asked, labels), as a model with this temperature would give them."""
        scores = self.logits / self.temperature
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)


def cross_validate(
    views: EmbeddedViews, label_count: int, *, with_novelty: bool = True, folds: int = FOLDS
) -> CrossValidation:
    """Leave bursts out in turn, and classify them with heads fitted on the rest.

    The temperature (C. Guo et al., "On Calibration of Modern Neural Networks", 2017) is fitted on
    all views of the left-out pictures, not on the pictures alone: a new burst differs more than the
    existing bursts do from each other, and the variation of the views makes up for that.

    Args:
        views: Of pictures in the order of their names; every label is among them.
        label_count: How many labels there are.
        with_novelty: Whether to compute novelty scores as well.
        folds: The maximum number of folds.
    """
    fold_of = fold_numbers(views, label_count, folds)
    fold_count = int(fold_of.max(initial=-1)) + 1
    whole, parts = _pooled(views, fold_of, fold_count, label_count)
    originals = views.is_original
    asked = [np.zeros(0, dtype=np.int64)]
    picture_logits = [np.zeros((0, label_count))]
    view_logits, view_labels = [np.zeros((0, label_count))], [np.zeros(0, dtype=np.int64)]
    distances: list[NDArray[np.float32]] = []
    heads = []
    for fold, part in enumerate(parts):
        left_out = fold_of == fold
        own = left_out & originals
        with one_blas_thread():
            rest = whole.minus(part)
            weights, bias = discriminant(rest, SHRINKAGE)
            logits = _logits(views.embeddings, left_out, weights, bias)
        heads.append(LinearHead(weights.astype(np.float32), bias.astype(np.float32), 1.0))
        view_logits.append(logits)
        view_labels.append(views.label_indices[left_out])
        picture_logits.append(logits[originals[left_out]])
        asked.append(views.pictures[own])
        if with_novelty:
            with one_blas_thread():
                found = fit_distances(rest, views.embeddings, ~left_out & originals)
                distances.append(found.distances(views.embeddings[own]))
    temperature = fit_temperature(np.concatenate(view_logits), np.concatenate(view_labels))
    novelty, scores = None, np.zeros(0, dtype=np.float32)
    if with_novelty:
        with one_blas_thread():
            found = fit_distances(whole, views.embeddings, originals)
        novelty, scores = _novelty(found, distances, views, asked[1:])
    return CrossValidation(
        np.concatenate(asked),
        np.concatenate(picture_logits),
        temperature,
        scores,
        novelty,
        tuple(heads),
        np.repeat(np.arange(len(heads)), [len(own) for own in asked[1:]]),
    )


def left_out_logits(
    views: EmbeddedViews,
    label_count: int,
    groups: NDArray[np.int64] | None = None,
    learnt: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Classify each picture once, with a head that saw no view of its group.

    Args:
        views: See `cross_validate`.
        label_count: How many labels there are.
        groups: (views,) what is left out together; None takes the bursts.
        learnt: (pictures,) which pictures may be used for training; None is all. If a label would
            have nothing left for one of the heads, all of it is used.

    Returns:
        (asked,) int64, the pictures that could be classified, and (asked, labels) float64, their
        logits without a temperature.
    """
    if groups is not None:
        views = dataclasses.replace(views, bursts=groups)
    fold_of = fold_numbers(views, label_count)
    fold_count = int(fold_of.max(initial=-1)) + 1
    may_learn = np.ones(len(fold_of), dtype=np.bool_)
    if learnt is not None:
        may_learn = learnt[views.pictures]
        for label in range(label_count):
            members = views.label_indices == label
            left = fold_of[members & may_learn & views.is_original]
            if not left.size or (left[0] >= 0 and (left == left[0]).all()):
                may_learn[members] = True
    whole, parts = _pooled(views, fold_of, fold_count, label_count, may_learn)
    asked, logits = [np.zeros(0, dtype=np.int64)], [np.zeros((0, label_count))]
    for fold, part in enumerate(parts):
        own = (fold_of == fold) & views.is_original
        with one_blas_thread():
            weights, bias = discriminant(whole.minus(part), SHRINKAGE)
            logits.append(_logits(views.embeddings, own, weights, bias))
        asked.append(views.pictures[own])
    return np.concatenate(asked), np.concatenate(logits)


def _pooled(
    views: EmbeddedViews,
    fold_of: NDArray[np.int64],
    fold_count: int,
    label_count: int,
    learnt: NDArray[np.bool_] | None = None,
) -> tuple[PooledSums, list[PooledSums]]:
    """Pool the views of all folds, and those of each: one label's sums at a time need memory."""
    width = views.embeddings.shape[1]
    whole = PooledSumsBuilder(label_count, width)
    parts = [PooledSumsBuilder(label_count, width) for _ in range(fold_count)]
    for label in range(label_count):
        members = views.label_indices == label
        if learnt is not None:
            members &= learnt
        weight = 1.0 / np.count_nonzero(members)
        of_label = EmbeddingSums.empty(width)
        for fold in np.unique(fold_of[members]).tolist():
            chosen = members & (fold_of == fold)
            own = EmbeddingSums.of(views.embeddings, views.is_original, chosen)
            of_label = of_label.plus(own)
            if fold >= 0:
                parts[fold].add(label, own, weight)
        whole.add(label, of_label, weight)
    return whole.pooled(), [part.pooled() for part in parts]


def _logits(
    embeddings: NDArray[np.float32],
    chosen: NDArray[np.bool_],
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The logits of chosen views, (chosen, labels): few at once are in float64."""
    places = np.flatnonzero(chosen)
    found = np.empty((len(places), len(bias)))
    for start in range(0, len(places), _BLOCK):
        some = slice(start, start + _BLOCK)
        found[some] = embeddings[places[some]] @ weights.T + bias
    return found


def _novelty(
    found: Novelty,
    distances: list[NDArray[np.float32]],
    views: EmbeddedViews,
    asked: list[NDArray[np.int64]],
) -> tuple[Novelty, NDArray[np.float32]]:
    """Scale the novelty score, and score each fold's pictures on the scale of the other folds.

    Args:
        found: Fitted on all pictures.
        distances: (pictures, 2) of the pictures of each fold, from scores that never saw them.
        views: Of all pictures.
        asked: Which pictures those are.
    """
    labels = views.label_indices[views.is_original]
    bursts = views.bursts[views.is_original]

    def on_scale(known: list[NDArray[np.float32]], places: list[NDArray[np.int64]]) -> Novelty:
        every = np.concatenate(places)
        return scaled(found, np.concatenate(known), labels[every], bursts[every])

    if not distances:
        known = found.distances(views.embeddings)
        novelty = scaled(found, known, views.label_indices, views.bursts)
        return novelty, np.zeros(0, dtype=np.float32)
    scores = []
    for fold, own in enumerate(distances):
        others = [place for place in range(len(distances)) if place != fold] or [fold]
        scale = on_scale([distances[one] for one in others], [asked[one] for one in others])
        scores.append(scale.scores_of(own))
    return on_scale(distances, asked), np.concatenate(scores)


def fit_calibrated(views: EmbeddedViews, label_count: int) -> tuple[LinearHead, Novelty]:
    """Fit a head and a novelty score, with temperature and scale from cross-validation.

    Args:
        views: Of pictures in the order of their names; every label is among them.
        label_count: How many labels there are.
    """
    found = cross_validate(views, label_count)
    if found.novelty is None:
        raise ValueError("cross-validation was asked for no novelty")
    return fit_head(views, label_count, temperature=found.temperature), found.novelty


def calibrated_head(views: EmbeddedViews, label_count: int) -> LinearHead:
    """Fit a head with a temperature from cross-validation; see `fit_calibrated`."""
    found = cross_validate(views, label_count, with_novelty=False)
    return fit_head(views, label_count, temperature=found.temperature)
