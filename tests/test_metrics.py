"""The figures, against sums done by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from webcam_classifier.evaluation.metrics import (
    describe_accuracy,
    evaluate_answers,
    format_table,
    wilson_interval,
)


def test_the_figures_are_those_done_by_hand() -> None:
    truths = np.array([0, 0, 0, 0, 1, 1, 2])
    answers = np.array([0, 0, 0, 1, 1, 0, 2])
    evaluation = evaluate_answers(["a", "b", "c"], truths, answers)
    assert evaluation.confusion.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert evaluation.accuracy == pytest.approx(5 / 7)
    figures = evaluation.per_label()
    assert (figures["a"].recall, figures["a"].precision) == (3 / 4, 3 / 4)
    assert (figures["b"].count, figures["c"].recall) == (2, 1.0)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (81, 263, 0.255, 0.366), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_wilsons(right: int, count: int, low: float, high: float) -> None:
    # 81 of 263 is Wilson's published example for the score interval (Newcombe, 1998, method 3).
    found_low, found_high = wilson_interval(right, count)
    assert found_low == pytest.approx(low, abs=6e-4)
    assert found_high == pytest.approx(high, abs=6e-4)


def test_a_label_that_was_never_asked_or_answered_is_not_a_number() -> None:
    evaluation = evaluate_answers(["a", "b"], np.array([0, 0]), np.array([0, 0]))
    assert math.isnan(evaluation.per_label()["b"].recall)
    assert json.loads(json.dumps(evaluation.to_dict()))["per_label"]["b"]["precision"] is None


def test_no_pictures_are_said_to_be_none() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    evaluation = evaluate_answers(["a", "b"], nothing, nothing)
    assert "no pictures" in describe_accuracy(evaluation)
    assert "-" in format_table(evaluation)


def test_the_table_names_each_label_and_its_figures() -> None:
    truths, answers = np.array([0, 1, 1]), np.array([0, 1, 0])
    table = format_table(evaluate_answers(["thumbs_up", "thumbs_down"], truths, answers))
    assert "thumbs_up" in table.splitlines()[1]
    assert "0.500" in table.splitlines()[2]
