"""The temperature, and the error of confidences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from webcam_classifier.evaluation.calibration import (
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


def test_without_answers_the_error_is_not_known() -> None:
    assert math.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, dtype=np.bool_)))
