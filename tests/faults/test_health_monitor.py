"""What is told of a source by its pictures alone."""

from __future__ import annotations

import time

import numpy as np
import pytest

from webcam_classifier.camera.health_monitor import HealthMonitor
from webcam_classifier.frame import BgrImage

_PERIOD = 1 / 30  # seconds


def noisy(number: int, level: float = 120.0, shape: tuple[int, int] = (120, 160)) -> BgrImage:
    """A still scene as a sensor sees it: the same but for its noise."""
    noise = np.random.default_rng(number).normal(level, 2, (*shape, 3))
    return np.asarray(np.clip(noise, 0, 255), dtype=np.uint8)


class Source:
    """Shows pictures to a watch, one a period."""

    def __init__(self, watch: HealthMonitor) -> None:
        self.watch = watch
        self.at = time.monotonic() + 100  # ahead of the clock, so that no machine is too slow

    @property
    def state(self) -> str:
        return self.watch.status.state

    def show(self, image: BgrImage) -> bool:
        self.at += _PERIOD
        return self.watch.saw(image, self.at)

    def show_noisy(self, count: int) -> list[bool]:
        return [self.show(noisy(number)) for number in range(count)]


@pytest.fixture
def source() -> Source:
    return Source(HealthMonitor())


def test_a_still_scene_with_noise_is_never_frozen(source: Source) -> None:
    assert all(source.show_noisy(400))


def test_the_very_same_picture_is_frozen_after_some_seconds_and_then_not_given(
    source: Source,
) -> None:
    source.show_noisy(60)
    still = noisy(1000)
    given = [source.show(still) for _ in range(300)]
    assert sum(given) == pytest.approx(3 / _PERIOD, abs=3)
    assert given == sorted(given, reverse=True)
    assert source.state == "frozen"
    assert source.show(noisy(1001))
    assert source.state == "live"


def test_a_source_that_repeats_itself_from_the_start_is_not_frozen(source: Source) -> None:
    slide = noisy(0)
    assert all(source.show(slide) for _ in range(300))
    # Nor is one that doubles every picture.
    doubled = Source(HealthMonitor())
    assert all(doubled.show(noisy(number // 2)) for number in range(300))


def test_black_pictures_are_told_after_some_seconds(source: Source) -> None:
    source.show_noisy(60)
    given = [source.show(noisy(number, level=2)) for number in range(120)]
    assert sum(given) == pytest.approx(2 / _PERIOD, abs=3)
    assert source.state == "black"
    assert "cap" in source.watch.status.reason


def test_a_dark_room_is_not_black(source: Source) -> None:
    assert all(source.show(noisy(number, level=14)) for number in range(200))


def cut(image: BgrImage, below: BgrImage | int) -> BgrImage:
    broken: BgrImage = image.copy()
    half = image.shape[0] // 2
    broken[half:] = below if isinstance(below, int) else below[half:]
    return broken


@pytest.mark.parametrize("fill", ["grey", "the picture before"])
def test_a_picture_that_was_cut_off_is_passed_over(source: Source, fill: str) -> None:
    source.show_noisy(60)
    below = 128 if fill == "grey" else noisy(59)
    assert not source.show(cut(noisy(60), below))
    assert source.state == "live"
    assert source.show(noisy(61))


def test_a_plain_lower_edge_that_stays_is_really_there(source: Source) -> None:
    source.show_noisy(60)
    given = [source.show(cut(noisy(number), 128)) for number in range(60, 200)]
    assert 0 < given.count(False) < 1.5 / _PERIOD
    assert all(given[-60:])


def test_what_is_drawn_or_lies_on_a_disk_is_not_looked_at() -> None:
    source = Source(HealthMonitor(looks=False))
    source.show_noisy(60)
    black = np.zeros((120, 160, 3), np.uint8)
    assert all(source.show(black) for _ in range(300))


def test_a_look_costs_next_to_nothing_beside_a_frame() -> None:
    source = Source(HealthMonitor())
    images = [noisy(number, shape=(480, 640)) for number in range(20)]
    for number in range(100):
        source.show(images[number % 20])
    seconds = []
    for number in range(100):
        started = time.perf_counter()
        source.show(images[number % 20])
        seconds.append(time.perf_counter() - started)
    assert sorted(seconds)[50] < 0.002  # 30 microseconds where nothing else runs
