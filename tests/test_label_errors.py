"""Pictures whose label is probably wrong."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.report.label_errors import describe_label_errors, find_label_errors

LABELS, EACH, VIEWS, WIDTH = 3, 40, 3, 24


def clusters(seed: int = 0, spread: float = 0.5) -> NDArray[np.float32]:
    """Embeddings of `LABELS` times `EACH` pictures, label after label, with views of each."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(0, 1, (LABELS, WIDTH)), EACH, axis=0)
    pictures = centres + generator.normal(0, spread, centres.shape)
    views = np.repeat(pictures, VIEWS, axis=0)
    return (views + generator.normal(0, 0.1, views.shape)).astype(np.float32)


def as_views(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], bursts: NDArray[np.int64]
) -> EmbeddedViews:
    count = len(labels)
    return EmbeddedViews(
        embeddings,
        np.repeat(labels, VIEWS),
        np.repeat(bursts, VIEWS),
        np.arange(count * VIEWS) % VIEWS == 0,
    )


RIGHT = np.repeat(np.arange(LABELS), EACH)
BURSTS = np.arange(LABELS * EACH) // 5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_wrong_labels_are_found_with_what_they_should_be(seed: int) -> None:
    wrong = np.random.default_rng(seed).permutation(len(RIGHT))[:9]
    given = RIGHT.copy()
    given[wrong] = (given[wrong] + 1) % LABELS
    bursts = np.where(np.isin(np.arange(len(RIGHT)), wrong), 1000 + np.arange(120), BURSTS)
    errors = find_label_errors(as_views(clusters(seed), given, bursts), LABELS)
    found = {error.picture: error for error in errors}
    assert len(wrong) >= len(set(found) & set(wrong.tolist())) >= 8
    assert len(set(found) - set(wrong.tolist())) <= 1
    for picture in set(found) & set(wrong.tolist()):
        error = found[picture]
        assert (error.label, error.suggested) == (given[picture], RIGHT[picture])
        assert error.probability > error.label_probability
    gaps = [error.probability - error.label_probability for error in errors]
    assert gaps == sorted(gaps, reverse=True)


def test_clean_labels_are_not_called_wrong() -> None:
    assert find_label_errors(as_views(clusters(), RIGHT, BURSTS), LABELS) == ()


def test_labels_that_look_alike_are_seldom_called_wrong() -> None:
    # Three labels in one place: a head that knows nothing must not accuse a third of them.
    embeddings = np.random.default_rng(0).normal(0, 1, (len(RIGHT) * VIEWS, WIDTH))
    errors = find_label_errors(as_views(embeddings.astype(np.float32), RIGHT, BURSTS), LABELS)
    asked = len(RIGHT)
    assert len(errors) < asked / 2


def test_a_burst_under_a_wrong_label_is_found_as_it_is_left_out_whole() -> None:
    given = RIGHT.copy()
    given[:5] = 1
    errors = find_label_errors(as_views(clusters(), given, BURSTS), LABELS)
    assert {error.picture for error in errors} == {0, 1, 2, 3, 4}


def test_a_recording_that_is_nearly_all_of_a_label_accuses_nobody() -> None:
    # Left out whole, it would leave two wrong pictures to say what the label looks like.
    given, bursts = RIGHT.copy(), np.zeros(len(RIGHT), dtype=np.int64) + RIGHT
    given[EACH : EACH + 2] = 0
    bursts[EACH : EACH + 2] = [100, 101]
    errors = find_label_errors(as_views(clusters(), given, bursts), LABELS)
    assert {error.picture for error in errors} == {EACH, EACH + 1}


def test_one_picture_of_a_label_can_not_be_left_out() -> None:
    labels = np.array([0, 0, 0, 1])
    embeddings = np.random.default_rng(0).normal(0, 1, (4 * VIEWS, WIDTH)).astype(np.float32)
    assert find_label_errors(as_views(embeddings, labels, np.arange(4)), 2) == ()


def test_the_worst_are_listed_and_the_rest_counted() -> None:
    given = RIGHT.copy()
    given[:5] = 1
    errors = find_label_errors(as_views(clusters(), given, BURSTS), LABELS)
    names = [f"{number}.jpg" for number in range(len(RIGHT))]
    lines = describe_label_errors(errors, names, ("rock", "paper", "scissors"), most=2)
    assert len(lines) == 4
    assert "check these 5 pictures" in lines[0]
    assert "looks like rock" in lines[1]
    assert "3 more" in lines[3]
    assert describe_label_errors((), names, ("rock", "paper", "scissors")) == []
