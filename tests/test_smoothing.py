from __future__ import annotations

import math

import numpy as np
import pytest

from webcam_classifier.live.smoothing import SteadyPrediction, smooth
from webcam_classifier.prediction import Prediction

LABELS = ("up", "down")


def prediction(up: float) -> Prediction:
    return Prediction(LABELS, np.array([up, 1 - up], np.float32))


def run(values: list[tuple[float, float]], seconds: float) -> SteadyPrediction:
    steady: SteadyPrediction | None = None
    for at, up in values:
        steady = smooth(steady, prediction(up), at, seconds)
    assert steady is not None
    return steady


def test_the_first_prediction_counts_in_full() -> None:
    assert run([(5.0, 0.9)], 0.3).prediction.confidence == pytest.approx(0.9)


def test_one_stray_frame_does_not_turn_the_label() -> None:
    values = [(index / 30, 0.9) for index in range(30)] + [(1.0, 0.05)]
    assert run(values, 0.3).prediction.label == "up"
    assert run(values, 0.0).prediction.label == "down"


def test_a_lasting_change_turns_the_label_within_the_time_constant() -> None:
    values = [(index / 30, 0.9) for index in range(30)]
    values += [(1.0 + index / 30, 0.05) for index in range(10)]
    assert run(values, 0.3).prediction.label == "down"


@pytest.mark.parametrize("rate", [10, 30, 120])
def test_what_was_seen_one_time_constant_ago_counts_e_times_less_at_any_rate(rate: int) -> None:
    values = [(0.0, 1.0)] + [(index / rate, 0.0) for index in range(1, rate + 1)]
    kept = run(values, 1.0).average.probabilities[0]
    assert kept == pytest.approx(np.exp(-1), abs=1e-4)


def test_after_a_long_gap_the_past_is_forgotten() -> None:
    assert run([(0.0, 1.0), (60.0, 0.2)], 0.3).prediction.probabilities[0] == pytest.approx(0.2)


def test_probabilities_stay_probabilities() -> None:
    generator = np.random.default_rng(0)
    steady: SteadyPrediction | None = None
    for index in range(1000):
        steady = smooth(steady, prediction(float(generator.random())), index / 30, 0.3)
    assert steady is not None
    assert float(steady.prediction.probabilities.sum()) == pytest.approx(1, abs=1e-5)
    assert steady.prediction.probabilities.dtype == np.float32


def test_the_prediction_that_went_in_stays_as_it_was() -> None:
    first = prediction(1.0)
    smooth(smooth(None, first, 0.0, 0.3), prediction(0.0), 0.1, 0.3)
    assert first.probabilities[0] == 1.0


def unknown_run(scores: list[float], rate: int = 30) -> bool:
    steady: SteadyPrediction | None = None
    for index, score in enumerate(scores):
        one = Prediction(LABELS, np.array([0.9, 0.1], np.float32), score, 1.0)
        steady = smooth(steady, one, index / rate, 0.3)
    assert steady is not None
    return steady.prediction.is_unknown


def test_one_strange_frame_is_not_unknown_however_strange() -> None:
    assert not unknown_run([0.2] * 30 + [1000.0])
    assert unknown_run([3.0] * 30 + [-1000.0])


def test_what_stays_strange_is_unknown_within_the_time_constant() -> None:
    assert unknown_run([0.0] * 30 + [5.0] * 9)
    assert not unknown_run([5.0] * 30 + [0.0] * 9)


def test_without_a_score_nothing_is_unknown() -> None:
    steady = run([(0.0, 0.9), (0.1, 0.8)], 0.3).prediction
    assert steady.unknown_score is None
    assert not steady.is_unknown


def test_other_labels_begin_anew() -> None:
    before = run([(index / 30, 0.9) for index in range(30)], 0.3)
    other = Prediction(("up", "down", "none"), np.array([0.1, 0.1, 0.8], np.float32))
    assert smooth(before, other, 1.0, 0.3).prediction is other
    nothing = Prediction((), np.zeros(0, np.float32))
    assert smooth(before, nothing, 1.0, 0.3).prediction is nothing
    assert smooth(smooth(None, nothing, 1.0, 0.3), nothing, 1.1, 0.3).prediction.labels == ()


def random_predictions(count: int, sureness: float) -> list[Prediction]:
    """Frames that jitter between three labels, one of which is likelier for half a second each."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(count, 3)) * 1.5
    logits[np.arange(count), np.arange(count) // 15 % 3] += sureness
    values = np.exp(logits)
    values = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    scores = generator.normal(size=count)
    return [
        Prediction(("a", "b", "c"), row, float(score), 1.0)
        for row, score in zip(values, scores, strict=True)
    ]


@pytest.mark.parametrize("sureness", [0.5, 2.0, 6.0])
def test_the_average_of_all_frames_decides_the_label(sureness: float) -> None:
    steady: SteadyPrediction | None = None
    average = np.zeros(3)
    for index, one in enumerate(random_predictions(3000, sureness)):
        kept = math.exp(-1 / 30 / 0.3) if index else 0.0
        average = kept * average + (1 - kept) * one.probabilities
        steady = smooth(steady, one, index / 30, 0.3)
        assert steady.prediction.label == one.labels[int(np.argmax(average))]
        assert steady.prediction.is_unknown == steady.average.is_unknown


def test_a_change_of_the_label_is_as_sure_as_the_frames_are() -> None:
    steady: SteadyPrediction | None = None
    shown: list[Prediction] = []
    for index in range(60):
        one = prediction(0.99 if index < 30 else 0.01)
        steady = smooth(steady, one, index / 30, 0.3)
        shown.append(steady.prediction)
    assert {one.label for one in shown} == {"up", "down"}
    assert all(one.confidence == pytest.approx(0.99) for one in shown if one.label == "down")
    # Until the change it may look less and less sure: the frames say that something has changed.
    assert all(one.confidence > 0.5 for one in shown)


def test_what_is_known_again_is_as_sure_as_the_frames_are() -> None:
    steady: SteadyPrediction | None = None
    for index in range(60):
        values = np.array([0.5, 0.5] if index < 30 else [0.02, 0.98], np.float32)
        one = Prediction(LABELS, values, 5.0 if index < 30 else 0.0, 1.0)
        was_unknown = steady is None or steady.prediction.is_unknown
        steady = smooth(steady, one, index / 30, 0.3)
        if was_unknown and not steady.prediction.is_unknown:
            assert steady.prediction.label == "down"
            assert steady.prediction.confidence == pytest.approx(0.98)
            return
    pytest.fail("it stayed unknown")


def test_a_label_that_no_frame_says_is_no_surer_than_the_average() -> None:
    labels = ("a", "b", "c")
    steady: SteadyPrediction | None = None
    for index in range(60):
        values = [0.52, 0.48, 0.0] if index % 2 else [0.0, 0.48, 0.52]
        one = Prediction(labels, np.array(values, np.float32))
        steady = smooth(steady, one, index / 30, 1.0)
    assert steady is not None
    assert steady.prediction.label == "b"
    assert steady.prediction.confidence == pytest.approx(0.48, abs=0.01)
