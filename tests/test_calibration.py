"""The temperature, and the error of confidences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from webcam_classifier.evaluation.calibration import (
    chance_calibration_error,
    expected_calibration_error,
    fit_temperature,
    reliability,
)


def test_logits_that_are_three_times_too_sure_get_a_temperature_of_three() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0.0, 2.0, (20_000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truths = (generator.random((20_000, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    assert fit_temperature(3.0 * logits, truths) == pytest.approx(3.0, rel=0.05)


def test_answers_that_are_all_right_do_not_become_certain() -> None:
    logits = np.tile(np.array([[4.0, 0.0]]), (30, 1))
    temperature = fit_temperature(logits, np.zeros(30, dtype=np.int64))
    confidence = 1.0 / (1.0 + math.exp(-4.0 / temperature))
    assert confidence == pytest.approx(1.0 - 1.0 / 32.0, abs=1e-3)


def test_without_pictures_there_is_nothing_to_divide_by() -> None:
    assert fit_temperature(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)) == 1.0


def test_the_error_is_the_mean_distance_of_confidence_and_accuracy() -> None:
    confidences = np.array([0.95] * 10 + [0.55] * 10)
    right = np.array([True] * 9 + [False] + [True] * 3 + [False] * 7)
    assert expected_calibration_error(confidences, right) == pytest.approx((0.05 + 0.25) / 2)


def test_bins_hold_every_answer_also_a_certain_one() -> None:
    bins = reliability(np.array([1.0, 0.999, 0.2]), np.array([True, False, True]))
    assert [one.count for one in bins] == [1, 2]
    assert bins[1].accuracy == 0.5


def blamed(bursts: int, size: int, together: float, too_sure: float = 0.0) -> float:
    """How often a model's error is beyond chance, 0 to 1.

    Args:
        bursts: Of which the answers are.
        size: Answers of each; 1 says nothing of bursts.
        together: Correlation of what decides the answers of a burst.
        too_sure: How much its confidences are above its chance to be right.
    """
    generator = np.random.default_rng(0)
    beyond = 0
    numbers = np.repeat(np.arange(bursts), size)
    for seed in range(100):
        confidences = generator.uniform(0.5, 1.0, bursts * size)
        shared = generator.normal(size=bursts)[numbers] * math.sqrt(together)
        luck = shared + generator.normal(size=len(numbers)) * math.sqrt(1.0 - together)
        right = luck < norm.ppf(np.clip(confidences - too_sure, 0.001, 0.999))
        chance = chance_calibration_error(confidences, right, numbers if size > 1 else None, seed)
        beyond += expected_calibration_error(confidences, right) > chance
    return beyond / 100


@pytest.mark.parametrize(
    ("bursts", "size", "together"),
    [(40, 1, 0.0), (300, 1, 0.0), (6, 20, 0.3), (12, 20, 0.0), (12, 20, 0.6), (30, 10, 0.3)],
)
def test_calibrated_models_are_hardly_ever_blamed(bursts: int, size: int, together: float) -> None:
    # 5 of 100 are meant; more than 10 would come by chance in one test of a hundred.
    assert blamed(bursts, size, together) <= 0.10


def test_models_that_are_too_sure_are_found() -> None:
    assert blamed(300, 1, 0.0, too_sure=0.15) > 0.95
    assert blamed(30, 10, 0.3, too_sure=0.2) > 0.8


def test_bursts_that_are_all_right_do_not_show_a_modest_model() -> None:
    confidences, right = np.full(120, 0.95), np.ones(120, dtype=np.bool_)
    error = expected_calibration_error(confidences, right)
    assert error == pytest.approx(0.05)
    assert error > chance_calibration_error(confidences, right)
    assert error < chance_calibration_error(confidences, right, np.repeat(np.arange(12), 10))


def test_without_answers_the_error_is_not_known() -> None:
    assert math.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, dtype=np.bool_)))
    assert math.isnan(chance_calibration_error(np.zeros(0), np.zeros(0, dtype=np.bool_)))
