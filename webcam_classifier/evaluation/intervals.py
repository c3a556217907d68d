"""Confidence intervals of an accuracy, over independent pictures or over bursts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FEWEST_BURSTS = 3
"""With fewer, the variance between bursts can't be estimated."""

_Z_95 = 1.959964  # standard deviations that hold 95 % of a normal distribution
_TAILS = (0.025, 0.975)  # of the posterior
_CORRELATIONS = 24  # of the frames of a burst, that the posterior is summed over
_COARSEST_GRID = 100  # accuracies
_BATCH = 4_000_000  # numbers at a time, so that memory stays below 100 MB


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share of independent pictures (E. B. Wilson, 1927).

    Args:
        right: How many were right.
        count: Out of how many; without any, the interval is 0 to 1.

    Returns:
        Both ends, 0 to 1.
    """
    if count == 0:
        return 0.0, 1.0
    share, z_squared = right / count, _Z_95**2
    middle = (share + z_squared / (2 * count)) / (1 + z_squared / count)
    spread = share * (1 - share) / count + z_squared / (4 * count**2)
    reach = _Z_95 * math.sqrt(spread) / (1 + z_squared / count)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def burst_interval(burst_counts: NDArray[np.int64]) -> tuple[float, float] | None:
    """The 95 % interval of the accuracy on new bursts; see `burst_intervals`.

    Args:
        burst_counts: (bursts, 2) right answers and pictures of each burst; at least one picture.

    Returns:
        Both ends, 0 to 1; None with fewer than `FEWEST_BURSTS` bursts.
    """
    if len(burst_counts) < FEWEST_BURSTS:
        return None
    ends = burst_intervals(burst_counts[np.newaxis, :, 0], burst_counts[:, 1])
    return float(ends[0, 0]), float(ends[0, 1])


def burst_intervals(right: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The 95 % intervals of many experiments with bursts of the same sizes.

    Frames of a burst are near duplicates: they are right or wrong together, and count for less than
    as many independent pictures. So the right answers of a burst are taken to be beta-binomial
    (J. G. Skellam, 1948): each burst has an accuracy of its own, which follows a beta distribution
    around the accuracy that is asked for, and two frames of one burst have a correlation. The
    interval is the posterior's, equal-tailed, with Jeffreys' prior for the accuracy and a uniform
    one for the correlation: with few bursts the correlation does not fall to 0 by chance, and with
    many the bursts decide. The share of all pictures is never left out, so that the upper end is 1
    where all is right, and the lower end 0 where nothing is (L. D. Brown, T. T. Cai and A.
    DasGupta, "Interval Estimation for a Binomial Proportion", 2001).

    `python -m benchmarks.interval_coverage` measures how often it contains the true accuracy, over
    3 to 30 bursts of 1 to 80 frames, accuracies of 0.5 to 0.97 and correlations of 0 to 0.4: in
    0.97 of 3000 experiments on average, and in 0.90 to 0.99 of them except for these cells:

    - 4 bursts of one frame at an accuracy of 0.5: 0.874, as with Wilson's interval. Four coins
      fall alike in an eighth of all cases.
    - Up to 1.0 with 3 to 6 bursts at accuracies of 0.5 and 0.7, and with more where bursts do not
      differ at all. So few bursts can't show that they hardly differ, so the interval is wider
      than it need be. A prior that takes small correlations for likelier, Beta(1, 3), is closer to
      0.95 there, but fell to 0.82 where frames correlate at 0.6, as those of hands can.

    Args:
        right: (experiments, bursts) right answers of each burst.
        counts: (bursts,) pictures of each burst, at least 1.

    Returns:
        (experiments, 2) both ends, 0 to 1.
    """
    # Loaded only now: it takes longer than all else that a live picture needs to begin.
    from scipy.special import gammaln

    total = int(counts.sum())
    # Uniform in the arcsine of its root is Jeffreys' prior; half a standard deviation, were all
    # pictures independent, from one accuracy to the next.
    points = max(_COARSEST_GRID, math.ceil(2.0 * math.pi * math.sqrt(total)))
    edges = np.sin(np.linspace(0.0, np.pi / 2.0, points + 1)) ** 2
    accuracies = np.sin((np.arange(points) + 0.5) / points * np.pi / 2.0) ** 2
    correlations = (np.arange(_CORRELATIONS) + 0.5) / _CORRELATIONS
    strength = 1.0 / correlations - 1.0  # a + b of the beta distribution
    a = np.outer(accuracies, strength).ravel()
    b = np.outer(1.0 - accuracies, strength).ravel()

    def log_likelihoods(right_one: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        """Of bursts of one size: (bursts, accuracies x correlations)."""
        own, wrong = right_one[:, np.newaxis], count - right_one[:, np.newaxis]
        gained = gammaln(own + a) + gammaln(wrong + b) - gammaln(count + a + b)
        return np.asarray(gained - (gammaln(a) + gammaln(b) - gammaln(a + b)))

    def posterior_ends(part: NDArray[np.int64]) -> NDArray[np.float64]:
        """Both ends for some experiments."""
        found = np.zeros((len(part), len(a)))
        for count in np.unique(counts).tolist():
            alike = part[:, counts == count]
            different, places = np.unique(alike, return_inverse=True)
            seen = np.zeros((len(part), len(different)))
            np.add.at(seen, (np.arange(len(part))[:, np.newaxis], places.reshape(alike.shape)), 1)
            found += seen @ log_likelihoods(different, count)
        found -= found.max(axis=1, keepdims=True)
        likely = np.exp(found).reshape(len(part), points, _CORRELATIONS).sum(axis=2)
        below = np.insert(likely.cumsum(axis=1), 0, 0.0, axis=1)
        return np.stack([np.interp(_TAILS, one / one[-1], edges) for one in below])

    batches = math.ceil(len(right) * len(a) / _BATCH)
    ends = np.concatenate([posterior_ends(part) for part in np.array_split(right, batches)])
    # Where large bursts do much worse than many small ones, the share of all pictures can lie
    # outside of what holds for new bursts; an interval must not leave its own figure out.
    shares = right.sum(axis=1) / total
    return np.stack([np.minimum(ends[:, 0], shares), np.maximum(ends[:, 1], shares)], axis=1)
