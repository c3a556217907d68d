"""Which way of teaching is chosen: the four cases, the time, and what is missing."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from webcam_classifier.training.auto_mode import (
    DEFAULT_MINUTES,
    GOOD_FROZEN_ACCURACY,
    MANY_PICTURES,
    Choice,
    chance_corrected_accuracy,
    choose,
)

EPOCHS = 12
FEW, MANY = 40.0, float(MANY_PICTURES)
GOOD, POOR = 0.97, 0.3
ENOUGH_FOR_SCRATCH = 6000.0


class Stopwatch:
    """Says what a pass takes, and remembers how often it was asked."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.seconds


def chosen(
    pictures: float,
    frozen_accuracy: float | None,
    time_epoch: Callable[[], float] | None,
    minutes: float | None = None,
) -> Choice:
    return choose(pictures, frozen_accuracy, time_epoch, minutes, EPOCHS)


@pytest.mark.parametrize(
    ("accuracy", "labels", "expected"),
    [(0.5, 2, 0.0), (0.2, 2, 0.0), (1.0, 2, 1.0), (0.75, 2, 0.5), (0.25, 4, 0.0), (0.7, 4, 0.6)],
)
def test_chance_is_0_and_always_right_is_1(accuracy: float, labels: int, expected: float) -> None:
    assert chance_corrected_accuracy(accuracy, labels) == pytest.approx(expected)


def test_few_pictures_with_good_features_get_a_head_and_nothing_is_timed() -> None:
    watch = Stopwatch(1.0)
    choice = chosen(FEW, GOOD, watch)
    assert (choice.mode, choice.epochs, watch.asked) == ("head", 0, 0)
    assert (
        "few training pictures (40 a label), on which frozen features are good enough"
        in choice.reason
    )
    assert "--minutes" in choice.reason


def test_few_pictures_that_nothing_is_known_of_get_a_head_and_nothing_is_timed() -> None:
    watch = Stopwatch(1.0)
    choice = chosen(5.0, None, watch)
    assert (choice.mode, watch.asked) == ("head", 0)
    assert "too few to measure" in choice.reason


@pytest.mark.parametrize(
    ("pictures", "frozen_accuracy", "words"),
    [
        (
            FEW,
            POOR,
            "few training pictures (40 a label), on which frozen features may not be enough",
        ),
        (FEW, GOOD_FROZEN_ACCURACY - 0.01, "frozen features may not be enough"),
        (
            MANY,
            GOOD,
            "many training pictures (500 a label), on which frozen features are good enough",
        ),
        (MANY, POOR, "many training pictures (500 a label), on which frozen features may not be"),
        (MANY, None, "too few to measure"),
    ],
)
def test_many_pictures_or_features_that_are_not_good_are_worth_fine_tuning(
    pictures: float, frozen_accuracy: float | None, words: str
) -> None:
    watch = Stopwatch(2.0)
    choice = chosen(pictures, frozen_accuracy, watch)
    assert (choice.mode, choice.epochs, watch.asked) == ("finetune", EPOCHS, 1)
    assert words in choice.reason
    assert "about 24 s" in choice.reason


def test_the_borders_belong_to_many_and_to_good() -> None:
    assert chosen(MANY - 1, GOOD_FROZEN_ACCURACY, Stopwatch(1.0)).mode == "head"
    assert chosen(MANY, GOOD_FROZEN_ACCURACY, Stopwatch(1.0)).mode == "finetune"


def test_a_named_time_is_used_though_nothing_promises_a_gain() -> None:
    choice = chosen(FEW, GOOD, Stopwatch(2.0), minutes=3.0)
    assert (choice.mode, choice.epochs) == ("finetune", EPOCHS)
    assert chosen(5.0, None, Stopwatch(2.0), minutes=3.0).mode == "finetune"


@pytest.mark.parametrize(("seconds", "epochs"), [(1.0, 12), (10.0, 5), (17.9, 3), (18.1, 0)])
def test_no_more_epochs_than_the_time_is_enough_for(seconds: float, epochs: int) -> None:
    choice = chosen(FEW, POOR, Stopwatch(seconds), minutes=1.0)
    assert choice.epochs == epochs
    assert choice.mode == ("finetune" if epochs else "head")
    assert epochs * seconds < 60.0


def test_where_the_time_is_too_short_it_says_how_much_is_needed_and_that_is_enough() -> None:
    choice = chosen(FEW, POOR, Stopwatch(100.0))
    assert choice.mode == "head"
    assert 60.0 * DEFAULT_MINUTES * 0.9 < 100.0 * 3
    assert "would need about --minutes 23" in choice.reason
    assert chosen(FEW, POOR, Stopwatch(100.0), minutes=23.0).epochs == EPOCHS
    soon = chosen(FEW, POOR, Stopwatch(1.0), minutes=0.01)
    assert "would need about --minutes 1" in soon.reason


def test_so_few_epochs_as_the_user_wants_are_enough() -> None:
    choice = choose(FEW, POOR, Stopwatch(1.0), None, default_epochs=1)
    assert (choice.mode, choice.epochs) == ("finetune", 1)


@pytest.mark.parametrize(
    ("pictures", "frozen_accuracy", "minutes", "mode"),
    [
        (ENOUGH_FOR_SCRATCH, POOR, 10.0, "scratch"),
        (ENOUGH_FOR_SCRATCH, POOR, 2.0, "finetune"),  # no time for so many epochs
        (ENOUGH_FOR_SCRATCH, 0.6, 10.0, "finetune"),  # pretrained features are some help
        (ENOUGH_FOR_SCRATCH, None, 10.0, "finetune"),
        (MANY, POOR, 10.0, "finetune"),  # too few pictures to learn all from
    ],
)
def test_only_very_many_pictures_unlike_all_else_are_learnt_from_scratch(
    pictures: float, frozen_accuracy: float | None, minutes: float, mode: str
) -> None:
    choice = chosen(pictures, frozen_accuracy, Stopwatch(10.0), minutes)
    assert choice.mode == mode
    assert choice.epochs * 10.0 < 60.0 * minutes


@pytest.mark.parametrize("minutes", [None, 60.0])
@pytest.mark.parametrize(
    ("pictures", "frozen_accuracy"),
    list(itertools.product([FEW, MANY, ENOUGH_FOR_SCRATCH], [GOOD, POOR])),
)
def test_without_torch_it_is_always_a_head_and_says_why_where_more_was_wanted(
    pictures: float, frozen_accuracy: float, minutes: float | None
) -> None:
    choice = chosen(pictures, frozen_accuracy, None, minutes)
    assert (choice.mode, choice.epochs) == ("head", 0)
    is_enough = minutes is None and (pictures, frozen_accuracy) == (FEW, GOOD)
    assert ("fine-tuning needs torch, which is not installed" in choice.reason) != is_enough
    assert "--minutes" not in choice.reason
