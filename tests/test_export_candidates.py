"""Which candidates are worth a look, and which one is recommended: figures in, choice out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from webcam_classifier.export.advise_words import (
    caution,
    commands,
    describe_recommendation,
    describe_table,
)
from webcam_classifier.export.candidates import Candidate, frontier, is_as_right, recommend
from webcam_classifier.model_card import ModelCard

CARD = ModelCard(("a", "b"), 224, "resnet18", "head", "none", "now", "my pictures", "hash")


def candidate(
    milliseconds: float,
    wrong: int = 0,
    of: int = 100,
    precision: str = "fp32",
    size: int = 224,
    wrong_from: int = 0,
) -> Candidate:
    right = np.ones(of, np.bool_)
    right[wrong_from : wrong_from + wrong] = False
    return Candidate(
        precision, size, "cpu", milliseconds, milliseconds, right, right, 1_000_000
    )  # fmt: skip


def test_the_frontier_is_what_no_other_one_beats() -> None:
    fast, slow_and_right = candidate(1.0, wrong=20), candidate(5.0)
    beaten, as_fast_and_worse = candidate(6.0), candidate(1.0, wrong=30)

    found = frontier([beaten, slow_and_right, as_fast_and_worse, fast])

    assert found == [fast, slow_and_right]


@pytest.mark.parametrize(
    ("wrong", "of", "is_equal"),
    [
        (0, 100, True),
        (1, 100, True),
        (2, 100, True),
        (3, 100, False),  # within noise, and yet too dear
        (6, 1000, False),  # below what may be lost, and proved by the pairs
        (2, 1000, True),
        (1, 20, False),
    ],
)
def test_a_loss_counts_where_it_is_proved_or_large(wrong: int, of: int, is_equal: bool) -> None:
    assert is_as_right(candidate(1.0, wrong, of), candidate(2.0, 0, of)) is is_equal


def test_pictures_won_make_up_for_pictures_lost() -> None:
    assert is_as_right(candidate(1.0, wrong=5), candidate(2.0, wrong=5, wrong_from=50))


def test_the_model_as_it_is_stays_where_nothing_is_much_faster() -> None:
    today = candidate(4.0)
    assert recommend([candidate(3.2), today, candidate(1.0, wrong=10)], today) is today


def test_a_much_faster_one_that_is_as_right_is_recommended() -> None:
    today, faster = candidate(4.0), candidate(2.0, wrong=1)
    assert recommend([today, faster, candidate(1.9, wrong=2)], today) is faster


def test_one_that_is_proved_to_be_more_right_is_recommended_though_slower() -> None:
    today, better = candidate(1.0, wrong=30), candidate(3.0)
    assert recommend([today, better], today) is better


def test_the_commands_make_what_was_chosen() -> None:
    today = candidate(4.0)
    smaller = candidate(1.0, precision="int8", size=160)
    taught = "python train.py 'my pictures' --input-size=224 --seed 7 --output models/a --mode auto"

    made = commands(smaller, today, Path("models/a/model.onnx"), CARD, taught)

    assert made.splitlines() == [
        "python train.py 'my pictures' --seed 7 --mode head --input-size 160 --output models/a-160",
        "python -m export models/a-160/model.onnx --precision int8",
        "python live.py models/a-160/model.int8.onnx",
    ]


def test_without_a_command_the_card_tells_how_it_was_taught() -> None:
    made = commands(candidate(1.0, size=160), candidate(4.0), Path("a/model.onnx"), CARD, "")

    assert made.splitlines()[0] == (
        "python train.py 'my pictures' --backbone resnet18 --mode head --input-size 160 "
        "--output a-160"
    )


def test_there_is_nothing_to_make_where_the_model_stays() -> None:
    today = candidate(4.0)
    assert commands(today, today, Path("a/model.onnx"), CARD, "") == "python live.py a/model.onnx"
    assert "the model as it is" in describe_recommendation(today, today, truth_is_known=True)


def test_the_sentence_says_how_much_faster_and_what_was_lost() -> None:
    today, chosen = candidate(4.0), candidate(2.0, wrong=1, precision="int8")

    said = describe_recommendation(chosen, today, truth_is_known=True)

    assert said.startswith(
        "int8, 224 pixels, on cpu: 2.00 ms instead of 4.00 ms, 2.0 times as fast"
    )
    assert said.endswith(
        "99 of 100 pictures correct, instead of 100, 1 lost and 0 won, which is within noise"
    )
    as_good = describe_recommendation(candidate(2.0), today, truth_is_known=True)
    assert as_good.endswith("100 of 100 pictures correct, as before")
    unknown = describe_recommendation(chosen, today, truth_is_known=False)
    assert unknown.endswith("with the same answer on 99 of 100 pictures")


def test_too_easy_pictures_recommend_fewer_bits_but_not_fewer_pixels() -> None:
    today, bits = candidate(4.0), candidate(2.0, precision="int8")
    pixels = candidate(1.0, size=128)

    chosen = recommend([today, bits, pixels], today)

    assert chosen is bits
    assert caution([today, bits, pixels], chosen, today).startswith("fp32, 128 pixels takes 1.00")
    assert not caution([today, bits], chosen, today)


def test_pictures_that_tell_sizes_apart_may_recommend_fewer_pixels() -> None:
    today, pixels = candidate(4.0, wrong=5), candidate(1.0, wrong=6, size=128)

    assert recommend([today, pixels], today) is pixels
    assert not caution([today, pixels], pixels, today)


def test_the_table_is_sorted_and_marks_the_frontier() -> None:
    slow, fast = candidate(4.0), candidate(2.0, wrong=10, precision="int8")

    lines = describe_table([slow, fast], [fast, slow], "100 test pictures", True).splitlines()

    assert lines[2].startswith(
        "*  int8, 224 pixels  cpu      2.00 ms  2.00 ms  90.0 % (83 to 94 %)"
    )
    assert lines[3].startswith("*  fp32, 224 pixels  cpu      4.00 ms")
    assert "83 to 94 %" not in describe_table([fast], [fast], "pictures", truth_is_known=False)
