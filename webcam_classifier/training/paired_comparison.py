"""Compare two classifiers on the same pictures: is one significantly better?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE = 0.1
"""The significance level: the accepted probability of a false positive."""


@dataclass(frozen=True)
class PairedComparison:
    """The results of two classifiers on the same pictures.

    Attributes:
        baseline_right: Pictures that the baseline gets right.
        candidate_right: Pictures that the candidate gets right.
        count: Of pictures.
        better: Bursts of which the candidate gets more pictures right.
        worse: Bursts of which it gets fewer right.
        p_value: The probability of such a lead or a larger one if both were equally good, 0 to 1.
    """

    baseline_right: int
    candidate_right: int
    count: int
    better: int
    worse: int
    p_value: float

    def p_value_of_best(self, candidates: int) -> float:
        """Correct the p-value for a candidate that was chosen on the very same pictures.

        This is Bonferroni's bound. It also holds for candidates that are alike, such as epochs of
        one training.

        Args:
            candidates: How many there were to choose from.
        """
        return min(1.0, candidates * self.p_value)

    def is_better(self, candidates: int) -> bool:
        """Whether the candidate's lead is significant.

        Args:
            candidates: Of how many it is the best on these pictures.
        """
        return self.p_value_of_best(candidates) <= SIGNIFICANCE


def compare_paired(
    baseline_right: NDArray[np.bool_], candidate_right: NDArray[np.bool_], bursts: NDArray[np.int64]
) -> PairedComparison:
    """Compare two classifiers, with bursts as the unit.

    Pictures of one burst are near duplicates, which are right or wrong together: forty of them are
    not forty independent samples. So the test flips the sign of each burst's difference as a whole.
    The p-value is that of the exact sign-flip test (R. A. Fisher, "The Design of Experiments",
    1935), one-sided; with one picture a burst it is McNemar's exact test.

    Args:
        baseline_right: (pictures,) whether the baseline gets each right.
        candidate_right: (pictures,) whether the candidate does.
        bursts: (pictures,) the burst of each.
    """
    _, numbers = np.unique(bursts, return_inverse=True)
    leads = np.zeros(numbers.max(initial=-1) + 1, dtype=np.int64)
    np.add.at(leads, numbers, candidate_right.astype(np.int64) - baseline_right)
    return PairedComparison(
        baseline_right=int(baseline_right.sum()),
        candidate_right=int(candidate_right.sum()),
        count=len(bursts),
        better=int((leads > 0).sum()),
        worse=int((leads < 0).sum()),
        p_value=_sign_flip_p_value(leads),
    )


def _sign_flip_p_value(leads: NDArray[np.int64]) -> float:
    """Return the probability of a sum at least as large, if both signs are equally likely."""
    sizes = np.abs(leads[leads != 0])
    reach = int(sizes.sum())
    probable = np.zeros(2 * reach + 1)  # of each sum, from -reach to reach
    probable[reach] = 1.0
    for size in sizes.tolist():
        flipped = np.zeros_like(probable)
        flipped[size:] = 0.5 * probable[:-size]
        flipped[:-size] += 0.5 * probable[size:]
        probable = flipped
    return min(1.0, float(probable[reach + int(leads.sum()) :].sum()))
