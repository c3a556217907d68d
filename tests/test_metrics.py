"""The figures, against sums done by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from webcam_classifier.evaluation.metrics import (
    describe_accuracy,
    describe_accuracy_briefly,
    evaluate_answers,
    format_table,
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


def test_a_label_that_was_never_asked_or_answered_is_not_a_number() -> None:
    evaluation = evaluate_answers(["a", "b"], np.array([0, 0]), np.array([0, 0]))
    assert math.isnan(evaluation.per_label()["b"].recall)
    assert json.loads(json.dumps(evaluation.to_dict()))["per_label"]["b"]["precision"] is None


def test_no_pictures_are_said_to_be_none() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    evaluation = evaluate_answers(["a", "b"], nothing, nothing)
    assert "not measured: no test pictures" in describe_accuracy(evaluation)
    assert "-" in format_table(evaluation)


def test_the_table_names_each_label_and_its_figures() -> None:
    truths, answers = np.array([0, 1, 1]), np.array([0, 1, 0])
    table = format_table(evaluate_answers(["thumbs_up", "thumbs_down"], truths, answers))
    assert "thumbs_up" in table.splitlines()[1]
    assert "50.0 %" in table.splitlines()[2]


def test_what_live_shows_is_right_wrong_or_unknown() -> None:
    truths, answers = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    is_unknown = np.array([False, True, False, False, True])
    evaluation = evaluate_answers(["a", "b"], truths, answers, is_unknown=is_unknown)
    assert evaluation.accuracy == 3 / 5
    shares = (evaluation.shown_right, evaluation.shown_wrong, evaluation.shown_unknown)
    assert shares == (2 / 5, 1 / 5, 2 / 5)
    assert "live shows 40 % correct, 20 % wrong, 40 % as unknown" in describe_accuracy(evaluation)
    assert "live" not in describe_accuracy_briefly(evaluation)
    found = json.loads(json.dumps(evaluation.to_dict()))
    assert [found[f"shown_{what}"] for what in ("right", "wrong", "unknown")] == list(shares)


def test_without_a_threshold_live_shows_every_answer() -> None:
    evaluation = evaluate_answers(["a", "b"], np.array([0, 1]), np.array([0, 0]))
    assert (evaluation.shown_right, evaluation.shown_unknown) == (0.5, 0.0)


def test_bursts_are_counted_whatever_their_numbers() -> None:
    truths, answers = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 0, 1, 1])
    bursts = np.array([7, 7, 7, 3, 12])
    evaluation = evaluate_answers(["a", "b"], truths, answers, bursts=bursts)
    assert evaluation.burst_counts is not None
    assert evaluation.burst_counts.tolist() == [[1, 1], [2, 3], [1, 1]]
    low, high = evaluation.interval or (math.nan, math.nan)
    assert 0.0 < low < 0.8 < high < 1.0
    assert f"80.0 % ({100 * low:.0f} to {100 * high:.0f} %) on 5 pictures of 3 bursts" in (
        describe_accuracy(evaluation)
    )
    assert evaluation.to_dict()["bursts"] == 3


def test_an_interval_that_cant_be_given_is_null_and_said() -> None:
    truths = np.array([0] * 20 + [1] * 20)
    evaluation = evaluate_answers(["a", "b"], truths, truths, bursts=truths)
    assert evaluation.interval is None
    assert evaluation.to_dict()["interval"] == [None, None]
    told = describe_accuracy(evaluation)
    assert told.startswith(
        "100.0 % on 40 pictures of 2 bursts, too few bursts for an interval; live"
    )


def test_bursts_that_were_learnt_from_in_part_promise_nothing_of_new_ones() -> None:
    truths = np.repeat(np.arange(4), 20)
    asked = ["a", "b", "c", "d"], truths, truths
    assert evaluate_answers(*asked, bursts=truths).interval is not None
    cut = evaluate_answers(*asked, bursts=truths, cut_labels=("b",))
    assert cut.interval is None
    assert cut.to_dict()["interval"] == [None, None]
    told = describe_accuracy(cut)
    assert "100.0 % on 80 pictures of 4 bursts, no interval without a second burst" in told


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["a", "none"], "; none was not measured"),
        (["a", "b", "c"], "; b and c were not measured"),
        (["a", "b", "c", "d"], "; b, c and d were not measured"),
        (["a", "b", "c", "d", "e"], "; 4 of 5 labels were not measured"),
    ],
)
def test_labels_that_the_accuracy_leaves_out_are_named(labels: list[str], told: str) -> None:
    evaluation = evaluate_answers(labels, np.zeros(9, np.int64), np.zeros(9, np.int64))
    assert evaluation.unasked_labels == tuple(labels[1:])
    assert describe_accuracy(evaluation).endswith(told)
    assert describe_accuracy_briefly(evaluation).endswith(told)
