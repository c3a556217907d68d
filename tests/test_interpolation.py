"""How far to go from the head to the trained network, by what left-out pictures say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from webcam_classifier.finetune.interpolation import (
    WEIGHTS,
    InterpolationChoice,
    choose_interpolation,
)

_LABELS = 3
_PICTURES = 120
_TRUTHS = np.arange(_PICTURES, dtype=np.int64) % _LABELS
_ALONE = np.arange(_PICTURES, dtype=np.int64)  # each picture a burst of its own


def logits(seed: int, margin: float) -> NDArray[np.float32]:
    """Noise of deviation 1, and the right label above it by a margin."""
    values = np.random.default_rng(seed).standard_normal((_PICTURES, _LABELS))
    values[np.arange(_PICTURES), _TRUTHS] += margin
    return values.astype(np.float32)


def choose(*margins: float, bursts: NDArray[np.int64] = _ALONE) -> InterpolationChoice:
    """With the margin of the start, then that of each weight; the noise is the same for all."""
    start, *others = (logits(0, margin) for margin in margins)
    return choose_interpolation(start, others, _TRUTHS, bursts)


def test_all_the_way_is_gone_where_that_is_best() -> None:
    choice = choose(1.0, 1.5, 2.0, 2.5, 3.0)
    assert choice.weight == WEIGHTS[-1]
    assert choice.right > choice.start_right
    assert choice.lead > choice.noise > 0.0
    assert "100 % of the way" in choice.describe()


def test_a_part_of_the_way_is_gone_where_the_rest_is_worse() -> None:
    assert choose(1.0, 1.5, 3.0, 2.0, 0.5).weight == WEIGHTS[1]


def test_the_head_stays_where_nothing_is_better() -> None:
    for margins in [(2.0, 2.0, 2.0, 2.0, 2.0), (2.0, 1.5, 1.0, 0.5, 0.0)]:
        choice = choose(*margins)
        assert choice.weight == 0.0
        assert choice.right == choice.start_right
        assert "not better by more than chance" in choice.describe()


@pytest.mark.parametrize(
    ("lost", "won", "is_taken"), [(0, 0, True), (1, 0, False), (2, 1, True), (3, 1, False)]
)
def test_fewer_right_pictures_are_refused_but_for_a_loss_within_its_noise(
    lost: int, won: int, is_taken: bool
) -> None:
    start = np.where(np.eye(_LABELS)[_TRUTHS] > 0, 0.1, 0.0)  # right, but barely
    sure = np.where(np.eye(_LABELS)[_TRUTHS] > 0, 9.0, 0.0)
    start[-1] = sure[-1] = sure[0]  # another one that both have wrong
    # Wrong, but barely: that the right labels are likelier all in all holds in every case.
    sure[:lost] = np.where(np.eye(_LABELS)[_TRUTHS[:lost]] > 0, 0.0, 0.1)
    start[lost : lost + won] = np.where(np.eye(_LABELS)[_TRUTHS[lost : lost + won]] > 0, 0.0, 0.1)
    choice = choose_interpolation(start, [sure] * len(WEIGHTS), _TRUTHS, _ALONE)
    assert choice.lead > choice.noise
    assert (choice.weight > 0.0) == is_taken


def test_the_head_stays_where_it_has_all_left_out_pictures_right() -> None:
    start = np.where(np.eye(_LABELS)[_TRUTHS] > 0, 1.0, 0.0) + logits(0, 0.0) / 10.0
    sure = [np.where(np.eye(_LABELS)[_TRUTHS] > 0, 9.0, 0.0)] * len(WEIGHTS)
    choice = choose_interpolation(start, sure, _TRUTHS, _ALONE)
    assert choice.lead > choice.noise
    assert choice.weight == 0.0
    assert "all 120 validation pictures correct" in choice.describe()
    start[0] = -start[0]
    assert choose_interpolation(start, sure, _TRUTHS, _ALONE).weight > 0.0


def test_scale_of_the_logits_is_no_lead() -> None:
    start = logits(0, 2.0)
    assert choose_interpolation(start, [7.0 * start] * 4, _TRUTHS, _ALONE).weight == 0.0


def test_a_burst_is_one_witness() -> None:
    # One recording that the trained network got hold of is no proof, however long it is.
    bursts = np.minimum(np.arange(_PICTURES) // 3, 6).astype(np.int64)  # the last has most of them
    better = logits(0, 1.0)
    better[bursts == 6] = logits(0, 4.0)[bursts == 6]
    others = [better] * len(WEIGHTS)
    assert choose_interpolation(logits(0, 1.0), others, _TRUTHS, _ALONE).weight > 0.0
    assert choose_interpolation(logits(0, 1.0), others, _TRUTHS, bursts).weight == 0.0


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_recordings_say_nothing(count: int) -> None:
    choice = choose(1.0, 2.0, 2.0, 2.0, 2.0, bursts=_ALONE % count)
    assert choice.weight == 0.0
    assert np.isnan(choice.lead)
    assert "too few recordings were left out" in choice.describe()
