from __future__ import annotations

import pytest

from webcam_classifier.rate_limiter import RateLimiter
from webcam_classifier.ui.held_key import HeldKey

_FRAME = 0.02  # seconds


def presses(times: list[float], names: str = "") -> list[bool]:
    """Press at these times, with a look at every frame in between."""
    key, looked_at, found = HeldKey(), times[0], []
    for name, now in zip(names or "1" * len(times), times, strict=True):
        while looked_at + _FRAME < now:
            looked_at += _FRAME
            key.held(looked_at)
        found.append(key.press(name, now))
        looked_at = now
    return found


@pytest.mark.parametrize("delay", [0.25, 0.5, 0.66])
def test_a_held_key_goes_down_once_whatever_the_delay_of_its_first_repeat(delay: float) -> None:
    repeats = [10.0 + delay + 0.033 * index for index in range(60)]
    assert presses([10.0, *repeats]) == [True] + [False] * 60


def test_a_repeating_key_that_pauses_was_let_go() -> None:
    assert presses([0.0, 0.5, 0.53, 0.56, 0.9]) == [True, False, False, False, True]


def test_a_slow_camera_that_sees_keys_five_times_a_second_holds_on() -> None:
    assert presses([0.0, 0.6, 0.8, 1.0, 1.2, 1.4]) == [True] + [False] * 5


def test_slow_taps_are_each_a_press() -> None:
    assert presses([0.0, 1.0, 2.0]) == [True, True, True]


def test_another_key_is_a_press_at_once() -> None:
    assert presses([0.0, 0.1, 0.2], "121") == [True, True, True]


def test_a_key_is_held_until_its_repeats_stop() -> None:
    key = HeldKey()
    assert key.held(0.0) == ""
    key.press("1", 0.0)
    assert [key.held(now) for now in (0.2, 0.4, 0.6, 0.78)] == ["1"] * 4
    assert key.held(0.9) == ""
    key.press("1", 1.0)
    key.press("1", 1.1)
    assert key.held(1.3) == "1"
    assert key.held(1.4) == ""


def test_a_held_key_was_let_go_at_its_last_repeat_and_a_tapped_one_may_not_have_been_held() -> None:
    key, found = HeldKey(), []
    for now in (0.0, 0.2, 0.23, 0.26):  # the second may be of another tap
        key.press("1", now)
        found.append(key.let_go_at)
    assert found == [None, None, 0.23, 0.26]
    assert [key.held(0.3), key.held(0.52)] == ["1", ""]
    found.append(key.let_go_at)
    key.press("2", 0.6)
    assert [found[-1], key.let_go_at] == [0.26, None]


def test_a_program_that_was_busy_does_not_take_the_key_for_let_go() -> None:
    key = HeldKey()
    assert key.press("1", 0.0)
    assert not key.press("1", 0.5)
    assert not key.press("1", 0.53)
    assert not key.press("1", 3.0)  # nothing was looked at for long: its repeats were not seen
    assert key.held(3.03) == "1"
    assert [key.held(now) for now in (3.2, 3.3)] == ["1", ""]
    assert key.press("1", 60.0)  # an end that was seen is one, however long nobody looks afterwards


def test_a_pace_keeps_its_rate_when_it_is_asked_irregularly() -> None:
    pace = RateLimiter(8.0)
    assert sum(pace.is_due(index / 30) for index in range(300)) == 80


def test_a_pace_does_not_catch_up_after_a_pause() -> None:
    pace = RateLimiter(10.0)
    assert pace.is_due(0.0)
    assert pace.is_due(5.0)
    assert not pace.is_due(5.05)


def test_a_restarted_pace_is_due_at_once() -> None:
    pace = RateLimiter(1.0)
    assert pace.is_due(0.0)
    assert not pace.is_due(0.1)
    pace.restart()
    assert pace.is_due(0.1)
