"""k-means clustering, initialised by k-means++.

Written here because scikit-learn takes a second to load, and nothing else of it is needed; the
novelty score is as good with this one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def k_means(points: NDArray[np.float32], count: int, rounds: int) -> NDArray[np.float32]:
    """Find cluster centres; the same points give the same centres.

    The first ones are drawn among the points, those far from all before with more chance
    (D. Arthur and S. Vassilvitskii, "k-means++: The Advantages of Careful Seeding", 2007); then
    each moves to the middle of the points that are nearest to it (S. Lloyd, 1982).

    Args:
        points: (points, features) float32, more than `count`.
        count: How many centres.
        rounds: How often they move.

    Returns:
        (count, features) float32.
    """
    centres = _drawn(points, count, np.random.default_rng(0))
    for _ in range(rounds):
        squares = (centres * centres).sum(axis=1)
        nearest = (squares - 2.0 * points @ centres.T).argmin(axis=1)
        members = (nearest == np.arange(count)[:, np.newaxis]).astype(np.float32)
        counts = members.sum(axis=1)[:, np.newaxis]
        middles = (members @ points) / np.maximum(counts, 1.0)
        centres = np.where(counts > 0, middles, centres)  # one that lost all its points stays
    return np.asarray(centres, dtype=np.float32)


def _drawn(
    points: NDArray[np.float32], count: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Draw the first centres: each time, the best of a few candidates."""
    trials = 2 + int(np.log(count))
    squares = (points * points).sum(axis=1)
    chosen = [int(generator.integers(len(points)))]
    distances = _squared_distances(points, squares, chosen)[0]  # to the nearest chosen
    for _ in range(1, count):
        sums = np.cumsum(distances, dtype=np.float64)
        places = np.searchsorted(sums, generator.random(trials) * sums[-1], side="right")
        candidates = np.minimum(places, len(points) - 1).tolist()
        left = np.minimum(distances, _squared_distances(points, squares, candidates))
        best = int(left.sum(axis=1).argmin())
        chosen.append(candidates[best])
        distances = left[best]
    return points[chosen]


def _squared_distances(
    points: NDArray[np.float32], squares: NDArray[np.float32], chosen: list[int]
) -> NDArray[np.float32]:
    """Of all points from some of them, (chosen, points)."""
    products = points[chosen] @ points.T
    found = squares[chosen, np.newaxis] - 2.0 * products + squares
    return np.asarray(np.maximum(found, 0.0), dtype=np.float32)
