"""Fitting a head on embeddings."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.covariance import ShrunkCovariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from webcam_classifier.evaluation.calibration import fit_temperature
from webcam_classifier.head.cross_validation import fit_calibrated
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.lda import SHRINKAGE, fit_head


def clouds(
    label_count: int, pictures: int, spread: float, seed: int = 0, bursts: int = 10
) -> EmbeddedViews:
    """Pictures around one centre for each label, in recordings that each lie a bit aside."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(label_count, 16))
    labels = np.repeat(np.arange(label_count), pictures)
    recording = np.arange(labels.size) * bursts // pictures
    aside = generator.normal(size=(recording.max() + 1, 16)) * spread
    noise = generator.normal(size=(labels.size, 16)) * spread
    embeddings = centres[labels] + aside[recording] + noise
    whole = np.ones(labels.size, dtype=bool)
    return EmbeddedViews(embeddings.astype(np.float32), labels, recording, whole)


def probabilities(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def with_views(pictures: EmbeddedViews, count: int, spread: float) -> EmbeddedViews:
    """Each picture followed by views of it that lie around a place a bit aside."""
    generator = np.random.default_rng(5)
    size = len(pictures.is_original), 1 + count, pictures.embeddings.shape[1]
    moves = generator.normal(0.3, spread, size)
    moves[:, 0] = 0.0
    embeddings = (pictures.embeddings[:, np.newaxis] + moves).reshape(-1, size[2])
    return EmbeddedViews(
        embeddings.astype(np.float32),
        np.repeat(pictures.label_indices, 1 + count),
        np.repeat(pictures.bursts, 1 + count),
        np.arange(len(embeddings)) % (1 + count) == 0,
    )


@pytest.mark.parametrize("label_count", [2, 3, 7])
def test_the_answers_are_scikit_learns(label_count: int) -> None:
    views = clouds(label_count, 40, spread=1.0)
    head = fit_calibrated(views, label_count)[0]
    oracle = LinearDiscriminantAnalysis(
        solver="lsqr", covariance_estimator=ShrunkCovariance(shrinkage=SHRINKAGE)
    )
    oracle.fit(views.embeddings, views.label_indices)
    other = clouds(label_count, 40, spread=1.0, seed=1)
    sharp = probabilities(head.logits(other.embeddings) * head.temperature)
    np.testing.assert_allclose(sharp, oracle.predict_proba(other.embeddings), atol=1e-3)


def test_means_come_from_pictures_and_directions_from_all_views_each_label_alike() -> None:
    # A label of 60 pictures and one of 15, with views that are all a bit aside.
    full = clouds(2, 60, spread=1.0)
    kept = np.concatenate([np.arange(60), np.arange(60, 120, 4)])
    views = with_views(full.only(np.isin(np.arange(120), kept)), 3, spread=0.7)
    head = fit_calibrated(views, 2)[0]
    means, covariances = [], []
    for label in (0, 1):
        own = views.only(views.label_indices == label)
        means.append(own.embeddings[own.is_original].mean(axis=0))
        covariances.append(np.cov(own.embeddings.T, bias=True))
    covariance = np.mean(covariances, axis=0)
    shrunken = (1 - SHRINKAGE) * covariance
    shrunken += SHRINKAGE * np.trace(covariance) / 16 * np.eye(16)
    direction = np.linalg.solve(shrunken, means[1] - means[0])
    asked = clouds(2, 30, spread=1.0, seed=1).embeddings
    expected = (asked - (means[0] + means[1]) / 2) @ direction
    logits = head.logits(asked) * head.temperature
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], expected, rtol=1e-3, atol=1e-3)


def test_the_temperature_is_that_of_heads_that_saw_no_view_of_the_recording() -> None:
    views = with_views(clouds(2, 12, spread=1.5, bursts=3), 2, spread=0.5)
    head = fit_calibrated(views, 2)[0]
    logits, truths = [], []
    for fold in range(3):  # the recordings of a label are equally large: they go in their order
        held_out = views.bursts % 3 == fold
        weights, bias = sharp_head(views.only(~held_out))
        asked = views.only(held_out)
        logits.append(asked.embeddings @ weights.T + bias)
        truths.append(asked.label_indices)
    expected = fit_temperature(np.concatenate(logits), np.concatenate(truths))
    # The optimum is flat: libraries of another version end a thousandth away from it.
    assert head.temperature == pytest.approx(expected, rel=5e-3)


def sharp_head(views: EmbeddedViews) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of a head without its temperature."""
    head = fit_calibrated(views, 2)[0]
    return head.weights * head.temperature, head.bias * head.temperature


def test_the_same_views_give_the_same_head() -> None:
    views = with_views(clouds(3, 20, spread=1.0), 2, spread=0.5)
    first, second = fit_calibrated(views, 3)[0], fit_calibrated(views, 3)[0]
    np.testing.assert_array_equal(first.weights, second.weights)
    assert first.temperature == second.temperature


def test_a_label_of_one_picture_is_learnt() -> None:
    views = clouds(2, 40, spread=0.3)
    views = views.only(np.arange(80) <= 40)
    head = fit_calibrated(views, 2)[0]
    assert (
        head.logits(clouds(2, 40, spread=0.3, seed=1).embeddings).argmax(axis=1) == 1
    ).sum() > 30


def test_the_temperature_makes_confidence_honest() -> None:
    views = clouds(3, 100, spread=1.2, bursts=5)
    head = fit_calibrated(views, 3)[0]
    new = clouds(3, 400, spread=1.2, seed=1, bursts=40)
    right = head.logits(new.embeddings).argmax(axis=1) == new.label_indices
    honest = probabilities(head.logits(new.embeddings)).max(axis=1)
    raw = probabilities(head.logits(new.embeddings) * head.temperature).max(axis=1)
    assert abs(honest.mean() - right.mean()) < abs(raw.mean() - right.mean())
    assert head.temperature > 1.2


def test_a_rare_label_is_not_drowned_by_a_common_one() -> None:
    views = clouds(2, 200, spread=1.5)
    few = np.concatenate([np.arange(200), np.arange(200, 400, 10)])
    unbalanced = EmbeddedViews(
        views.embeddings[few],
        views.label_indices[few],
        views.bursts[few],
        views.is_original[few],
    )
    head = fit_calibrated(unbalanced, 2)[0]
    new = clouds(2, 400, spread=1.5, seed=1)
    answers = head.logits(new.embeddings).argmax(axis=1)
    recalls = [(answers[new.label_indices == label] == label).mean() for label in (0, 1)]
    assert abs(recalls[0] - recalls[1]) < 0.2


def test_a_lone_recording_is_cut_in_time_to_fit_the_temperature() -> None:
    views = clouds(2, 20, spread=1.5, bursts=1)
    in_pieces = dataclasses.replace(views, bursts=np.arange(40) // 4)
    assert (
        fit_calibrated(views, 2)[0].temperature
        == fit_calibrated(in_pieces, 2)[0].temperature
        != 1.0
    )


def test_the_only_picture_of_a_label_leaves_the_temperature_to_the_others() -> None:
    views = clouds(2, 20, spread=1.5)
    assert fit_calibrated(views.only(np.arange(40) <= 20), 2)[0].temperature != 1.0


@pytest.mark.parametrize("size", [1e-3, 1.0])
def test_pictures_that_are_all_alike_are_told_apart(size: float) -> None:
    """The covariance is zero but for rounding, which may make its trace negative."""
    places = size * np.random.default_rng(0).random((3, 64))
    labels = np.repeat(np.arange(3), 10)
    views = EmbeddedViews(
        places[labels].astype(np.float32), labels, np.arange(30), np.ones(30, dtype=bool)
    )
    head = fit_head(views, 3)
    assert head.logits(views.embeddings).argmax(axis=1).tolist() == labels.tolist()


def test_a_given_temperature_is_taken_and_changes_no_answer() -> None:
    views = clouds(3, 20, spread=1.0)
    fitted, sharp = fit_calibrated(views, 3)[0], fit_head(views, 3, temperature=1.0)
    assert sharp.temperature == 1.0
    np.testing.assert_allclose(fitted.weights * fitted.temperature, sharp.weights, rtol=1e-3)
    np.testing.assert_allclose(fitted.bias * fitted.temperature, sharp.bias, rtol=1e-3)
