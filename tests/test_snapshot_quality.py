from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.dataset.snapshot_quality import SnapshotProblem, SnapshotQuality
from webcam_classifier.frame import BgrImage


def checkers(seed: int = 0, shape: tuple[int, int] = (480, 640)) -> BgrImage:
    generator = np.random.default_rng(seed)
    small = generator.integers(60, 200, (shape[0] // 20, shape[1] // 20, 3), dtype=np.uint8)
    return np.asarray(
        cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), dtype=np.uint8
    )


def noisy(image: BgrImage, seed: int) -> BgrImage:
    noise = np.random.default_rng(seed).normal(0.0, 8.0, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def smeared(image: BgrImage, share: float) -> BgrImage:
    return np.asarray(cv2.blur(image, (round(share * image.shape[1]), 1)), dtype=np.uint8)


def out_of_focus(image: BgrImage) -> BgrImage:
    sigma = 0.025 * image.shape[1]  # pixels
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (checkers(), None),
        (np.full((480, 640, 3), 10, np.uint8), SnapshotProblem.TOO_DARK),
        ((checkers() // 10).astype(np.uint8), SnapshotProblem.TOO_DARK),
        (np.full((480, 640, 3), 250, np.uint8), SnapshotProblem.TOO_BRIGHT),
        (smeared(checkers(), 0.1), SnapshotProblem.BLURRED),
        (out_of_focus(checkers()), SnapshotProblem.BLURRED),
        (noisy(np.full((480, 640, 3), 120, np.uint8), 0), None),  # a bare wall is not blurred
    ],
)
def test_each_problem_is_named(image: BgrImage, problem: SnapshotProblem | None) -> None:
    assert SnapshotQuality().problem("cup", image) is problem


@pytest.mark.parametrize("shape", [(40, 40), (240, 320), (720, 1280), (1280, 720)])
def test_every_size_can_be_judged(shape: tuple[int, int]) -> None:
    assert SnapshotQuality().problem("cup", checkers(shape=shape)) is None


def test_the_same_scene_with_other_noise_is_nearly_the_same() -> None:
    quality = SnapshotQuality()
    quality.keep("cup", noisy(checkers(), 1))
    assert quality.problem("cup", noisy(checkers(), 2)) is SnapshotProblem.NEARLY_THE_SAME


def test_a_moved_scene_is_another_picture() -> None:
    quality = SnapshotQuality()
    quality.keep("cup", checkers())
    moved = np.roll(checkers(), 8, axis=1)
    assert quality.problem("cup", moved) is None


def test_only_the_same_label_is_compared() -> None:
    quality = SnapshotQuality()
    quality.keep("cup", checkers())
    assert quality.problem("none", checkers()) is None


def test_a_label_that_was_undone_may_be_recorded_again() -> None:
    quality = SnapshotQuality()
    quality.keep("cup", checkers())
    quality.forget("cup")
    assert quality.problem("cup", checkers()) is None


def test_real_pictures_pass_and_their_blurred_copies_do_not(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.jpg"))[::40]
    images = [read_picture(path) for path in paths]
    passed = [SnapshotQuality().problem("hand", image) is None for image in images]
    assert np.mean(passed) == 1.0
    blurred = [SnapshotQuality().problem("hand", out_of_focus(image)) for image in images]
    assert np.mean([problem is SnapshotProblem.BLURRED for problem in blurred]) > 0.9
