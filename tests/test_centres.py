"""Centres that stand for many points."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from webcam_classifier.head.kmeans import k_means


def crowds(count: int, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    middles = 10.0 * generator.normal(size=(count, 8))
    return (np.repeat(middles, 30, axis=0) + generator.normal(size=(30 * count, 8))).astype(
        np.float32
    )


def spread(points: NDArray[np.float32], centres: NDArray[np.float32]) -> float:
    """Mean square of each point's distance to its nearest centre."""
    distances = ((points[:, np.newaxis] - centres) ** 2).sum(axis=2)
    return float(distances.min(axis=1).mean())


@pytest.mark.parametrize("seed", range(5))
def test_every_crowd_has_a_centre(seed: int) -> None:
    points = crowds(5, seed)
    centres = k_means(points, 5, rounds=10)
    assert centres.shape == (5, 8)
    assert centres.dtype == np.float32
    assert spread(points, centres) < 9.0  # 8 within a crowd, some 800 between them


def test_it_is_about_as_good_as_scikit_learns() -> None:
    points = np.random.default_rng(1).normal(size=(600, 12)).astype(np.float32)
    theirs = KMeans(32, n_init=1, max_iter=10, random_state=0).fit(points).cluster_centers_
    ours = k_means(points, 32, rounds=10)
    assert spread(points, ours) < 1.05 * spread(points, theirs.astype(np.float32))


def test_the_same_seed_gives_the_same_centres() -> None:
    points = crowds(6)
    np.testing.assert_array_equal(k_means(points, 4, 5), k_means(points, 4, 5))


def test_equal_points_are_no_trouble() -> None:
    points = np.ones((20, 4), np.float32)
    np.testing.assert_array_equal(k_means(points, 3, 5), np.ones((3, 4), np.float32))
