"""The views that fine-tuning is shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from webcam_classifier.finetune.random_views import RandomViews
from webcam_classifier.frame import BgrImage

_SIZE = 64


@dataclass(frozen=True, eq=False)
class Pictures:
    images: tuple[BgrImage, ...]
    label_indices: NDArray[np.int64]


def some(folder: Path, labels: tuple[str, ...], each: int) -> Pictures:
    paths = [path for label in labels for path in sorted((folder / label).iterdir())[:each]]
    images = tuple(np.asarray(cv2.imread(str(path)), dtype=np.uint8) for path in paths)
    return Pictures(images, np.repeat(np.arange(len(labels)), each))


def wall_with_fist(generator: np.random.Generator, with_fist: bool) -> BgrImage:
    wall = np.full((90, 120, 3), (150, 160, 170), np.float64)
    wall[:, 70:] -= 40.0  # a door
    if with_fist:
        middle = generator.uniform(30, 60, 2).tolist()
        wall = np.asarray(cv2.ellipse(wall, (middle, (30, 40), 0.0), (60, 80, 220), -1), float)
    return np.clip(wall + generator.normal(0.0, 2.0, wall.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def recorded() -> Pictures:
    generator = np.random.default_rng(0)
    images = [wall_with_fist(generator, place >= 8) for place in range(16)]
    return Pictures(tuple(images), np.repeat([0, 1], 8))


def is_fist(view: BgrImage) -> float:
    """Share of the pixels that are clearly red."""
    pixels = view.astype(np.int64)
    return float((pixels[..., 2] - pixels[..., :2].max(axis=2) > 60).mean())


def test_equal_generators_give_equal_views(recorded: Pictures) -> None:
    one = RandomViews(recorded, ("none", "rock"), _SIZE)
    other = RandomViews(recorded, ("none", "rock"), _SIZE)
    for seed in range(8):
        first = one.of(9, np.random.default_rng(seed))
        assert first.shape == (_SIZE, _SIZE, 3)
        assert first.dtype == np.uint8
        assert np.array_equal(first, other.of(9, np.random.default_rng(seed)))


def test_different_generators_give_different_views(recorded: Pictures) -> None:
    views = RandomViews(recorded, ("none", "rock"), _SIZE)
    made = {views.of(9, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(made) == 20


def test_what_is_before_the_room_stays_in_nearly_every_view(recorded: Pictures) -> None:
    views = RandomViews(recorded, ("none", "rock"), _SIZE)
    shares = [is_fist(views.of(9, np.random.default_rng(seed))) for seed in range(60)]
    assert np.mean(np.array(shares) > 0.02) > 0.8


def test_the_door_is_gone_from_many_views_of_either_label(recorded: Pictures) -> None:
    """A wall with a door has two greys; elsewhere there are other colours."""
    named = RandomViews(recorded, ("none", "rock"), _SIZE)
    unnamed = RandomViews(recorded, ("left", "rock"), _SIZE)

    def strangeness(views: RandomViews, picture: int) -> float:
        pixels = [views.of(picture, np.random.default_rng(seed)) for seed in range(80)]
        corners = np.stack([view[:8, :8].astype(float).mean(axis=(0, 1)) for view in pixels])
        return float((corners.max(axis=1) - corners.min(axis=1)).mean())

    for picture in (1, 9):
        assert strangeness(named, picture) > 1.15 * strangeness(unnamed, picture)


@pytest.mark.parametrize("mirrored", [False, True])
def test_views_are_mirrored_only_where_that_is_wanted(mirrored: bool) -> None:
    half = np.zeros((80, 80, 3), np.uint8)
    half[:, 40:] = 255
    pictures = Pictures((half,), np.array([0]))
    views = RandomViews(pictures, ("arrow",), _SIZE, mirrored)
    brighter = 0
    for seed in range(60):
        view = views.of(0, np.random.default_rng(seed)).astype(float)
        brighter += view[:, _SIZE // 2 :].mean() > view[:, : _SIZE // 2].mean()
    assert 15 < brighter < 45 if mirrored else brighter == 60


def test_views_of_real_pictures_work_where_nothing_can_be_told_apart(shared_data: Path) -> None:
    pictures = some(shared_data / "sign_digits", ("0", "1"), 4)
    views = RandomViews(pictures, ("0", "1"), _SIZE)
    assert views.of(5, np.random.default_rng(0)).std() > 5.0
