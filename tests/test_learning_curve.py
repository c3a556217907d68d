"""The learning curve and the random split, on embeddings whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.report.learning_curve import expected_gain, learning_curve
from webcam_classifier.report.random_split import compare_with_random_split

FEATURES = 24


def clouds(
    pictures: int,
    apart: float,
    seed: int,
    recording_spread: float = 0.0,
    recording_size: int = 1,
    labels: int = 3,
) -> EmbeddedViews:
    """Pictures of each label around its own middle, and, in a recording, around that one's."""
    generator = np.random.default_rng(seed)
    middles = apart * np.eye(labels, FEATURES)
    found: list[NDArray[np.float64]] = []
    for label in range(labels):
        count = -(-pictures // recording_size)
        offsets = recording_spread * generator.normal(size=(count, FEATURES))
        own = np.repeat(offsets, recording_size, axis=0)[:pictures]
        found.append(middles[label] + own + generator.normal(size=(pictures, FEATURES)))
    total = pictures * labels
    bursts = np.arange(total) // recording_size if recording_size > 1 else np.arange(total)
    return EmbeddedViews(
        np.concatenate(found).astype(np.float32),
        np.repeat(np.arange(labels), pictures),
        bursts,
        np.ones(total, dtype=np.bool_),
    )


def test_the_curve_rises_while_there_is_something_to_learn() -> None:
    curve = learning_curve(clouds(60, 3.0, 0), clouds(100, 3.0, 1), 3, seed=0)
    assert curve is not None
    assert [point.snapshots for point in curve.points] == [18, 36, 72, 126, 180]
    assert curve.points[-1].accuracy > curve.points[0].accuracy + 0.05
    assert all(point.low <= point.accuracy <= point.high for point in curve.points)
    assert curve.points[-1].low == curve.points[-1].high  # all pictures: no order matters
    assert 0 <= curve.gain_low <= curve.gain <= curve.gain_high < 0.1
    assert "50 more of the same kind" in curve.describe()
    assert f"ends at {100 * curve.points[-1].accuracy:.0f} %" in curve.describe()


def test_what_the_curve_promises_is_about_what_more_snapshots_give() -> None:
    test, more = clouds(400, 2.6, 1), clouds(60, 2.6, 2)
    before = learning_curve(more.only(np.arange(180) % 60 < 30), test, 3, seed=0)
    after = learning_curve(more.only(np.arange(180) % 60 < 46), test, 3, seed=0)
    assert before is not None
    assert after is not None
    gained = after.points[-1].accuracy - before.points[-1].accuracy
    assert before.gain == pytest.approx(gained, abs=0.03)


def test_where_all_is_right_already_more_can_not_show() -> None:
    curve = learning_curve(clouds(20, 60.0, 0), clouds(20, 60.0, 1), 3, seed=0)
    assert curve is not None
    assert (curve.points[-1].accuracy, curve.gain, curve.gain_high) == (1.0, 0.0, 0.0)
    assert "classified correctly already" in curve.describe()


def test_a_flat_curve_is_said_to_be_flat() -> None:
    one = clouds(60, 0.0, 0)  # labels that can't be told apart
    curve = learning_curve(one, clouds(300, 0.0, 1), 3, seed=0)
    assert curve is not None
    assert curve.gain < 0.03


def test_the_same_seed_gives_the_same_curve() -> None:
    training, test = clouds(30, 3.0, 0, 1.0, 5), clouds(30, 3.0, 1)
    assert learning_curve(training, test, 3, 7) == learning_curve(training, test, 3, 7)


@pytest.mark.parametrize(("training", "test"), [(3, 20), (20, 0)])
def test_too_few_pictures_give_no_curve(training: int, test: int) -> None:
    assert learning_curve(clouds(training, 3.0, 0), clouds(test, 3.0, 1), 3, 0) is None


def test_a_power_law_is_continued_exactly() -> None:
    sizes = np.array([20, 50, 100, 200])
    errors = np.array([0.9 * sizes**-0.5, 0.1 * sizes**0.2])
    gains = expected_gain(sizes, errors, 50)
    assert gains[0] == pytest.approx(0.9 * (200**-0.5 - 250**-0.5))
    assert gains[1] == 0.0  # what gets worse is not continued


def test_a_random_split_flatters_where_pictures_of_a_recording_are_alike() -> None:
    views = clouds(60, 3.0, 0, recording_spread=2.5, recording_size=10)
    found = compare_with_random_split(views, None, 3, seed=0, are_named=True)
    assert found is not None
    assert found.count == 180
    assert found.random > found.apart + 0.1
    assert found.is_flattering
    assert "near duplicates that it recognised" in found.describe()
    assert "With whole bursts held back" in found.describe()
    unnamed = compare_with_random_split(views, None, 3, seed=0, are_named=False)
    assert unnamed is not None
    assert "whole bursts" not in unnamed.describe()
    assert "near duplicates and similar neighbours held back" in unnamed.describe()


def test_a_random_split_is_honest_where_each_picture_is_its_own_recording() -> None:
    found = compare_with_random_split(
        clouds(60, 3.0, 0), clouds(60, 3.0, 5), 3, seed=0, are_named=True
    )
    assert found is not None
    assert found.random == pytest.approx(found.apart, abs=0.05)
    assert found.elsewhere == pytest.approx(found.apart, abs=0.1)
    assert "other folder" in found.describe()
    assert not found.has_bursts
    assert "held back" not in found.describe()


def test_single_recordings_are_held_out_piece_by_piece() -> None:
    found = compare_with_random_split(
        clouds(20, 3.0, 0, recording_size=20), None, 3, seed=0, are_named=True
    )
    assert found is not None
    assert found.count == 60
    assert found.cut_count == 3
    assert "or parts of a label's only burst, held back" in found.describe()


def test_a_single_picture_of_a_label_can_not_be_held_out() -> None:
    assert compare_with_random_split(clouds(1, 3.0, 0), None, 3, seed=0, are_named=True) is None
