"""When a trained network counts as better than the head, on made-up answers with known skill."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from webcam_classifier.training.paired_comparison import compare_paired

EPOCHS = 12


def flags(text: str) -> NDArray[np.bool_]:
    return np.array([letter == "x" for letter in text])


def test_with_one_picture_a_recording_it_is_the_exact_mcnemar_test() -> None:
    baseline = flags("x" * 20 + "x" * 2 + "." * 9 + "." * 5)
    candidate = flags("x" * 20 + "." * 2 + "x" * 9 + "." * 5)
    compared = compare_paired(baseline, candidate, np.arange(36))
    expected = sum(math.comb(11, count) for count in (9, 10, 11)) / 2**11
    assert compared.p_value == pytest.approx(expected)
    assert (compared.better, compared.worse) == (9, 2)
    assert (compared.baseline_right, compared.candidate_right, compared.count) == (22, 29, 36)


def test_the_same_answers_say_nothing() -> None:
    baseline = flags("xx.x.")
    assert compare_paired(baseline, baseline, np.arange(5)).p_value == 1.0
    nothing = compare_paired(baseline[:0], baseline[:0], np.zeros(0, dtype=np.int64))
    assert nothing.p_value == 1.0
    assert not nothing.is_better(1)


def test_forty_near_duplicates_are_one_witness() -> None:
    baseline, candidate = flags("." * 40), flags("x" * 40)
    assert compare_paired(baseline, candidate, np.arange(40)).is_better(EPOCHS)
    one_burst = compare_paired(baseline, candidate, np.zeros(40, dtype=np.int64))
    assert one_burst.p_value == 0.5
    assert not one_burst.is_better(1)


def test_bursts_weigh_as_much_as_they_differ() -> None:
    # 5 ahead in one and 1 behind in two others: 5 - 1 - 1 or more has the signs +++, ++-, +-+, +--.
    baseline = np.concatenate([flags("....."), flags("x"), flags("x")])
    compared = compare_paired(baseline, ~baseline, np.array([7, 7, 7, 7, 7, 3, 9]))
    assert compared.p_value == 0.5
    assert (compared.better, compared.worse) == (1, 2)


def test_a_worse_candidate_is_never_better() -> None:
    compared = compare_paired(flags("xxxxxxxxxx."), flags("..........x"), np.arange(11))
    assert compared.p_value > 0.99
    assert not compared.is_better(1)


def test_the_order_of_pictures_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    baseline, candidate = generator.random((2, 200)) < 0.7
    bursts = generator.integers(40, size=200)
    order = generator.permutation(200)
    assert compare_paired(baseline, candidate, bursts) == compare_paired(
        baseline[order], candidate[order], bursts[order]
    )


def test_a_thousand_differing_bursts_are_still_exact() -> None:
    baseline = np.arange(1000) < 500
    assert compare_paired(baseline, ~baseline, np.arange(1000)).p_value == pytest.approx(
        0.5 + 0.5 * math.comb(1000, 500) / 2**1000
    )


def share_kept(
    burst_count: int,
    pictures_each: int,
    accuracies: tuple[float, float],
    epoch_correlation: float,
    by_rule: str = "significance",
) -> float:
    """How often training is kept, where its best epoch is chosen on the compared pictures.

    Whether a picture is right follows from how hard it and its burst are for everyone, and
    from luck with it and its burst: the head's, the training's, and each epoch's own.

    Args:
        burst_count: Validation bursts.
        pictures_each: Pictures in each.
        accuracies: Expected of the head, and of every epoch.
        epoch_correlation: How much of its luck an epoch shares with the others, 0 to 1.
        by_rule: `significance`, or `at least as many` right answers.
    """
    generator = np.random.default_rng(0)
    bursts = np.repeat(np.arange(burst_count), pictures_each)

    def luck(count: int) -> NDArray[np.float64]:
        of_bursts = generator.normal(size=(count, burst_count))[:, bursts]
        return 0.5 * (of_bursts + generator.normal(size=(count, len(bursts))))

    head_limit, epoch_limit = (NormalDist().inv_cdf(accuracy) for accuracy in accuracies)
    kept, rounds = 0, 250
    for _ in range(rounds):
        hardness = luck(1)
        head = (hardness + luck(1) < head_limit)[0]
        shared, single = math.sqrt(epoch_correlation), math.sqrt(1 - epoch_correlation)
        own = shared * luck(1) + single * luck(EPOCHS)
        epochs = hardness + own < epoch_limit
        best = EPOCHS - 1 - int(epochs.sum(axis=1)[::-1].argmax())  # of equals, the latest
        compared = compare_paired(head, epochs[best], bursts)
        if by_rule == "significance":
            kept += compared.is_better(EPOCHS)
        else:
            kept += compared.candidate_right >= compared.baseline_right
    return kept / rounds


@pytest.mark.parametrize("epoch_correlation", [0.0, 0.8])
@pytest.mark.parametrize("accuracy", [0.7, 0.9, 0.97])
@pytest.mark.parametrize(("burst_count", "pictures_each"), [(48, 1), (12, 4), (10, 20), (200, 1)])
def test_of_two_that_are_equally_good_the_trained_one_is_rarely_kept(
    burst_count: int, pictures_each: int, accuracy: float, epoch_correlation: float
) -> None:
    equal = (accuracy, accuracy)
    assert share_kept(burst_count, pictures_each, equal, epoch_correlation) <= 0.08


def test_to_keep_what_is_at_least_as_right_would_mostly_keep_an_equal() -> None:
    assert share_kept(48, 1, (0.9, 0.9), 0.5, "at least as many") > 0.8


@pytest.mark.parametrize("epoch_correlation", [0.0, 0.8])
@pytest.mark.parametrize(
    ("burst_count", "pictures_each", "accuracies"),
    [
        (48, 1, (0.7, 0.9)),
        (48, 1, (0.6, 0.95)),
        (12, 4, (0.6, 0.95)),
        (40, 5, (0.85, 0.95)),
        (200, 1, (0.9, 0.97)),
        (400, 1, (0.8, 0.9)),
    ],
)
def test_what_is_better_by_far_is_mostly_kept_where_the_pictures_are_enough(
    burst_count: int,
    pictures_each: int,
    accuracies: tuple[float, float],
    epoch_correlation: float,
) -> None:
    assert share_kept(burst_count, pictures_each, accuracies, epoch_correlation) >= 0.7


def test_few_pictures_cannot_tell_and_do_not_pretend_to() -> None:
    assert share_kept(6, 1, (0.6, 0.95), 0.5) == 0.0  # six of six have a chance of 1 in 64
