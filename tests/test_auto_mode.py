"""Which way of teaching is chosen: the four cases, the time, and what is missing."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from webcam_classifier.training.auto_mode import (
    ALIKE,
    DEFAULT_MINUTES,
    MANY_PICTURES,
    Choice,
    chance_corrected_accuracy,
    choose,
)

EPOCHS = 12
FEW, MANY = 40.0, float(MANY_PICTURES)
SUITED, STRANGE = 0.97, 0.3
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
    alike: float | None,
    time_epoch: Callable[[], float] | None,
    minutes: float | None = None,
) -> Choice:
    return choose(pictures, alike, time_epoch, minutes, EPOCHS)


@pytest.mark.parametrize(
    ("accuracy", "labels", "expected"),
    [(0.5, 2, 0.0), (0.2, 2, 0.0), (1.0, 2, 1.0), (0.75, 2, 0.5), (0.25, 4, 0.0), (0.7, 4, 0.6)],
)
def test_likeness_is_what_is_better_than_chance(
    accuracy: float, labels: int, expected: float
) -> None:
    assert chance_corrected_accuracy(accuracy, labels) == pytest.approx(expected)


def test_few_pictures_that_suit_get_a_head_and_nothing_is_timed() -> None:
    watch = Stopwatch(1.0)
    choice = chosen(FEW, SUITED, watch)
    assert (choice.mode, choice.epochs, watch.asked) == ("head", 0, 0)
    assert "few pictures (40 a label) that suit" in choice.reason
    assert "--minutes" in choice.reason


def test_few_pictures_that_nothing_is_known_of_get_a_head_and_nothing_is_timed() -> None:
    watch = Stopwatch(1.0)
    choice = chosen(5.0, None, watch)
    assert (choice.mode, watch.asked) == ("head", 0)
    assert "too few to measure" in choice.reason


@pytest.mark.parametrize(
    ("pictures", "alike", "words"),
    [
        (FEW, STRANGE, "few pictures (40 a label) that hardly suit"),
        (FEW, ALIKE - 0.01, "hardly suit"),
        (MANY, SUITED, "many pictures (500 a label) that suit"),
        (MANY, STRANGE, "many pictures (500 a label) that hardly suit"),
        (MANY, None, "too few to measure"),
    ],
)
def test_many_pictures_or_such_as_hardly_suit_are_worth_fine_tuning(
    pictures: float, alike: float | None, words: str
) -> None:
    watch = Stopwatch(2.0)
    choice = chosen(pictures, alike, watch)
    assert (choice.mode, choice.epochs, watch.asked) == ("finetune", EPOCHS, 1)
    assert words in choice.reason
    assert "about 24 s" in choice.reason


def test_the_borders_belong_to_many_and_to_alike() -> None:
    assert chosen(MANY - 1, ALIKE, Stopwatch(1.0)).mode == "head"
    assert chosen(MANY, ALIKE, Stopwatch(1.0)).mode == "finetune"


def test_a_named_time_is_used_though_nothing_promises_a_gain() -> None:
    choice = chosen(FEW, SUITED, Stopwatch(2.0), minutes=3.0)
    assert (choice.mode, choice.epochs) == ("finetune", EPOCHS)
    assert chosen(5.0, None, Stopwatch(2.0), minutes=3.0).mode == "finetune"


@pytest.mark.parametrize(("seconds", "epochs"), [(1.0, 12), (10.0, 5), (17.9, 3), (18.1, 0)])
def test_no_more_epochs_than_the_time_is_enough_for(seconds: float, epochs: int) -> None:
    choice = chosen(FEW, STRANGE, Stopwatch(seconds), minutes=1.0)
    assert choice.epochs == epochs
    assert choice.mode == ("finetune" if epochs else "head")
    assert epochs * seconds < 60.0


def test_where_the_time_is_too_short_it_says_how_much_is_needed_and_that_is_enough() -> None:
    choice = chosen(FEW, STRANGE, Stopwatch(100.0))
    assert choice.mode == "head"
    assert 60.0 * DEFAULT_MINUTES * 0.9 < 100.0 * 3
    assert "would need about --minutes 23" in choice.reason
    assert chosen(FEW, STRANGE, Stopwatch(100.0), minutes=23.0).epochs == EPOCHS
    soon = chosen(FEW, STRANGE, Stopwatch(1.0), minutes=0.01)
    assert "would need about --minutes 1" in soon.reason


def test_so_few_epochs_as_the_user_wants_are_enough() -> None:
    choice = choose(FEW, STRANGE, Stopwatch(1.0), None, default_epochs=1)
    assert (choice.mode, choice.epochs) == ("finetune", 1)


@pytest.mark.parametrize(
    ("pictures", "alike", "minutes", "mode"),
    [
        (ENOUGH_FOR_SCRATCH, STRANGE, 10.0, "scratch"),
        (ENOUGH_FOR_SCRATCH, STRANGE, 2.0, "finetune"),  # no time for so many epochs
        (ENOUGH_FOR_SCRATCH, 0.6, 10.0, "finetune"),  # pretrained features are some help
        (ENOUGH_FOR_SCRATCH, None, 10.0, "finetune"),
        (MANY, STRANGE, 10.0, "finetune"),  # too few pictures to learn all from
    ],
)
def test_only_very_many_pictures_unlike_all_else_are_learnt_from_scratch(
    pictures: float, alike: float | None, minutes: float, mode: str
) -> None:
    choice = chosen(pictures, alike, Stopwatch(10.0), minutes)
    assert choice.mode == mode
    assert choice.epochs * 10.0 < 60.0 * minutes


@pytest.mark.parametrize("minutes", [None, 60.0])
@pytest.mark.parametrize(
    ("pictures", "alike"),
    list(itertools.product([FEW, MANY, ENOUGH_FOR_SCRATCH], [SUITED, STRANGE])),
)
def test_without_torch_it_is_always_a_head_and_says_why_where_more_was_wanted(
    pictures: float, alike: float, minutes: float | None
) -> None:
    choice = chosen(pictures, alike, None, minutes)
    assert (choice.mode, choice.epochs) == ("head", 0)
    is_enough = minutes is None and (pictures, alike) == (FEW, SUITED)
    assert ("torch, which fine-tuning needs, is missing" in choice.reason) != is_enough
    assert "--minutes" not in choice.reason
