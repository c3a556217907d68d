"""Asking about each picture with a head that saw nothing of its recording."""

from __future__ import annotations

import numpy as np
import pytest

from webcam_classifier.head.cross_validation import left_out_logits
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.folds import fold_numbers
from webcam_classifier.head.lda import fit_head

FEATURES = 12


def clouds(
    label_count: int, bursts: int, size: int, aside: float = 0.0, views: int = 3, seed: int = 0
) -> EmbeddedViews:
    """Pictures around one centre for each label, in recordings that each lie aside."""
    generator = np.random.default_rng(seed)
    recording = np.repeat(np.arange(label_count * bursts), size)
    labels = recording // bursts
    places = 3.0 * np.eye(label_count, FEATURES)[labels]
    places += aside * generator.normal(size=(label_count * bursts, FEATURES))[recording]
    places += 0.5 * generator.normal(size=(len(labels), FEATURES))
    near = np.repeat(places, views, axis=0)
    near += 0.05 * generator.normal(size=near.shape)
    return EmbeddedViews(
        near.astype(np.float32),
        np.repeat(labels, views),
        np.repeat(recording, views),
        np.arange(len(near)) % views == 0,
    )


def test_each_picture_is_asked_once_and_told_by_its_label() -> None:
    views = clouds(3, bursts=6, size=4)
    asked, logits = left_out_logits(views, 3)
    assert sorted(asked.tolist()) == list(range(72))
    assert logits.shape == (72, 3)
    truths = views.label_indices[views.is_original][asked]
    assert (logits.argmax(axis=1) == truths).all()


def test_the_head_that_is_asked_saw_no_view_of_the_recording() -> None:
    views = clouds(2, bursts=5, size=3, aside=1.0)
    asked, logits = left_out_logits(views, 2)
    folds = fold_numbers(views, 2)
    pictures = np.cumsum(views.is_original) - 1
    for picture, found in zip(asked.tolist(), logits, strict=True):
        place = int(np.flatnonzero(pictures == picture)[0])
        head = fit_head(views.only(folds != folds[place]), 2, temperature=1.0)
        np.testing.assert_allclose(
            found, head.logits(views.embeddings[place : place + 1])[0], rtol=1e-4, atol=1e-4
        )
        assert views.bursts[place] not in views.bursts[folds != folds[place]]


def test_what_is_known_by_heart_does_not_count() -> None:
    # Labels that only each recording's own place gives away: a random half would be told rightly.
    views = clouds(2, bursts=8, size=6, aside=4.0)
    shuffled = np.random.default_rng(1).permutation(np.repeat([0, 1], 8))
    views = EmbeddedViews(views.embeddings, shuffled[views.bursts], views.bursts, views.is_original)
    asked, logits = left_out_logits(views, 2)
    by_recording = (logits.argmax(axis=1) == views.label_indices[views.is_original][asked]).mean()
    each_alone = np.cumsum(views.is_original) - 1
    asked, logits = left_out_logits(views, 2, each_alone)
    by_picture = (logits.argmax(axis=1) == views.label_indices[views.is_original][asked]).mean()
    assert by_picture > by_recording + 0.2


@pytest.mark.parametrize("views", [1, 4])
def test_the_only_picture_of_a_label_is_not_asked_and_the_others_are(views: int) -> None:
    both = clouds(2, bursts=4, size=1, views=views)
    kept = np.arange(len(both.label_indices)) < 5 * views
    asked, logits = left_out_logits(both.only(kept), 2)
    assert sorted(asked.tolist()) == [0, 1, 2, 3]
    assert logits.shape == (4, 2)
