"""Fitting a head on embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from webcam_classifier.head import EmbeddedViews, fit_head


def clouds(
    label_count: int, pictures: int, spread: float, seed: int = 0, recordings: int = 10
) -> EmbeddedViews:
    """Pictures around one centre for each label, in recordings that each lie a bit aside."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(label_count, 16))
    labels = np.repeat(np.arange(label_count), pictures)
    recording = np.arange(labels.size) * recordings // pictures
    aside = generator.normal(size=(recording.max() + 1, 16)) * spread
    noise = generator.normal(size=(labels.size, 16)) * spread
    embeddings = centres[labels] + aside[recording] + noise
    whole = np.ones(labels.size, dtype=bool)
    return EmbeddedViews(embeddings.astype(np.float32), labels, recording, whole)


def probabilities(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("label_count", [2, 3, 7])
def test_the_answers_are_scikit_learns(label_count: int) -> None:
    views = clouds(label_count, 40, spread=1.0)
    head = fit_head(views, label_count)
    means = np.stack(
        [views.embeddings[views.label_indices == i].mean(0) for i in range(label_count)]
    )
    residuals = views.embeddings - means[views.label_indices]
    scale = residuals.std(axis=0)
    shrinkage = min(1.0, 8 * ledoit_wolf(residuals / scale, assume_centered=True)[1])
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    oracle.fit(views.embeddings / scale, views.label_indices)
    other = clouds(label_count, 40, spread=1.0, seed=1)
    sharp = probabilities(head.logits(other.embeddings) * head.temperature)
    np.testing.assert_allclose(sharp, oracle.predict_proba(other.embeddings / scale), atol=1e-3)


def test_the_temperature_makes_confidence_honest() -> None:
    views = clouds(3, 100, spread=1.2, recordings=5)
    head = fit_head(views, 3)
    new = clouds(3, 400, spread=1.2, seed=1, recordings=40)
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
        views.recordings[few],
        views.is_original[few],
    )
    head = fit_head(unbalanced, 2)
    new = clouds(2, 400, spread=1.5, seed=1)
    answers = head.logits(new.embeddings).argmax(axis=1)
    recalls = [(answers[new.label_indices == label] == label).mean() for label in (0, 1)]
    assert abs(recalls[0] - recalls[1]) < 0.2


def test_one_recording_a_label_leaves_the_temperature_alone() -> None:
    views = clouds(2, 20, spread=0.5, recordings=1)
    assert fit_head(views, 2).temperature == 1.0
