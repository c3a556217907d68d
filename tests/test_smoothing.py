from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("rate", [10, 15, 30, 60, 120])
def test_a_clear_change_takes_the_seconds_of_the_smoothing_at_any_rate(rate: int) -> None:
    steady: SteadyPrediction | None = None
    for index in range(5 * rate):
        at = index / rate
        steady = smooth(steady, prediction(0.98 if at < 2 else 0.02), at, 0.3)
        if steady.prediction.label == "down":
            assert at - 2 == pytest.approx(0.2, abs=0.1 + 1 / rate)
            return
    pytest.fail("it never changed")


@pytest.mark.parametrize("rate", [30, 60])
def test_one_frame_never_outvotes_all_before_it(rate: int) -> None:
    values = [(index / rate, 0.99) for index in range(rate)] + [(1.0, 0.001)]
    assert run(values, 0.15).prediction.label == "up"


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(-5, 50), st.floats(0, 10)), min_size=1, max_size=40
    ),
    st.floats(0, 5),
)
def test_whatever_comes_belief_and_prediction_stay_whole(
    frames: list[tuple[float, float, float]], seconds: float
) -> None:
    steady: SteadyPrediction | None = None
    at = 0.0
    for up, score, elapsed in frames:
        at += elapsed
        one = Prediction(LABELS, np.array([up, 1 - up], np.float32), score, 1.0)
        steady = smooth(steady, one, at, seconds)
        assert np.isfinite(steady.belief).all()
        assert float(steady.belief.sum()) == pytest.approx(1)
        assert float(steady.prediction.probabilities.sum()) == pytest.approx(1, abs=1e-5)


def test_after_a_long_gap_the_past_is_forgotten() -> None:
    values = [(index / 30, 1.0) for index in range(30)] + [(61.0, 0.2)]
    assert run(values, 0.3).prediction.probabilities[0] == pytest.approx(0.2)


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


def test_what_stays_strange_is_unknown_in_three_times_the_time_of_a_label() -> None:
    assert not unknown_run([0.0] * 30 + [5.0] * 9)
    assert unknown_run([0.0] * 30 + [5.0] * 30)
    assert not unknown_run([5.0] * 30 + [0.0] * 9)


def test_a_score_that_is_no_number_is_unknown() -> None:
    assert unknown_run([0.0] * 30 + [math.nan] * 30)


def test_a_hand_that_is_blurred_on_its_way_is_not_unknown() -> None:
    """Two labels with three blurred frames in between: no third state is ever shown."""
    steady: SteadyPrediction | None = None
    shown: list[str] = []
    for index in range(60):
        is_blurred = 28 <= index < 33
        values = [0.5, 0.5] if is_blurred else [0.98, 0.02] if index < 30 else [0.02, 0.98]
        one = Prediction(LABELS, np.array(values, np.float32), 6.0 if is_blurred else 0.1, 1.0)
        steady = smooth(steady, one, index / 30, 0.15)
        label = "unknown" if steady.prediction.is_unknown else steady.prediction.label
        if shown[-1:] != [label]:
            shown.append(label)
    assert shown == ["up", "down"]


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


def test_a_label_that_no_frame_says_is_never_shown() -> None:
    labels = ("a", "b", "c")
    steady: SteadyPrediction | None = None
    for index in range(60):
        values = [0.52, 0.48, 0.0] if index % 2 else [0.0, 0.48, 0.52]
        one = Prediction(labels, np.array(values, np.float32))
        steady = smooth(steady, one, index / 30, 1.0)
        assert steady.prediction.label != "b"
