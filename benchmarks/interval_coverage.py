"""How often the interval over bursts holds the true accuracy.

    $ python -m benchmarks.interval_coverage
    $ python -m benchmarks.interval_coverage --experiments 2000

Each cell draws experiments: bursts whose own accuracies follow a beta distribution around the true
one, and right answers in each. 95 % of the intervals should hold the true accuracy. Beside it
stands Wilson's interval over the same frames, as if they were independent.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.cli.console import run_script
from webcam_classifier.evaluation.intervals import burst_intervals, wilson_interval

BURSTS = (3, 4, 6, 12, 30)
SIZES: tuple[tuple[int, ...], ...] = ((1,), (5,), (10,), (27,), (80,), (3, 8, 15, 27, 60, 5))
"""Frames of the bursts, in turn."""
ACCURACIES = (0.5, 0.7, 0.9, 0.97)
CORRELATIONS = (0.0, 0.05, 0.1, 0.25)
"""Of two frames of a burst: 1 / (a + b + 1) of the beta distribution."""
STRONG = 0.4
"""A correlation beyond those, for which the prior was not chosen."""
MEANT = (0.9, 0.99)
"""Coverage that is near enough to 0.95."""


@dataclass(frozen=True)
class Cell:
    """What experiments are like.

    Attributes:
        bursts: In each experiment.
        sizes: Frames of the bursts, in turn.
        accuracy: The true one, 0 to 1.
        correlation: Of two frames of a burst, 0 to 1.
    """

    bursts: int
    sizes: tuple[int, ...]
    accuracy: float
    correlation: float

    @property
    def counts(self) -> NDArray[np.int64]:
        """(bursts,) int64 frames of each burst."""
        return np.resize(np.array(self.sizes, dtype=np.int64), self.bursts)

    def draw(self, experiments: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Right answers, (experiments, bursts) int64."""
        accuracies = np.full((experiments, self.bursts), self.accuracy)
        if self.correlation > 0:
            strength = 1.0 / self.correlation - 1.0
            a, b = strength * self.accuracy, strength * (1.0 - self.accuracy)
            accuracies = generator.beta(a, b, accuracies.shape)
        return generator.binomial(self.counts, accuracies)

    def __str__(self) -> str:
        sizes = ",".join(map(str, self.sizes))
        return (
            f"{self.bursts:>2} bursts of {sizes:<14} accuracy {self.accuracy:<4} "
            f"correlation {self.correlation:<4}"
        )


def cells(correlations: Sequence[float] = CORRELATIONS) -> Iterator[Cell]:
    """All of the grid; frames that are alone in their burst correlate with none."""
    for values in itertools.product(BURSTS, SIZES, ACCURACIES, correlations):
        cell = Cell(*values)
        if max(cell.sizes) > 1 or cell.correlation == 0:
            yield cell


def coverage(cell: Cell, right: NDArray[np.int64]) -> float:
    """Share of the intervals over bursts that hold the true accuracy, 0 to 1."""
    ends = burst_intervals(right, cell.counts)
    return float(((ends[:, 0] <= cell.accuracy) & (cell.accuracy <= ends[:, 1])).mean())


def wilson_coverage(cell: Cell, right: NDArray[np.int64]) -> float:
    """The same of Wilson's interval over frames."""
    total = int(cell.counts.sum())
    held = 0
    for count in right.sum(axis=1).tolist():
        low, high = wilson_interval(count, total)
        held += low <= cell.accuracy <= high
    return held / len(right)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print each cell, and what is off."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", type=int, default=500, help="in each cell")
    experiments = parser.parse_args(arguments).experiments
    generator = np.random.default_rng(0)
    found = {}
    for cell in (*cells(), *cells((STRONG,))):
        right = cell.draw(experiments, generator)
        found[cell] = coverage(cell, right)
        print(f"{cell}: {found[cell]:.3f}, Wilson {wilson_coverage(cell, right):.3f}", flush=True)
    for name, chosen in (
        ("as meant", [cell for cell in found if cell.correlation != STRONG]),
        (f"at a correlation of {STRONG}", [cell for cell in found if cell.correlation == STRONG]),
    ):
        values = np.array([found[cell] for cell in chosen])
        print(
            f"{name}: {len(values)} cells, mean {values.mean():.3f}, least {values.min():.3f}, "
            f"most {values.max():.3f}; below {MEANT[0]} in {(values < MEANT[0]).sum()}, "
            f"above {MEANT[1]} in {(values > MEANT[1]).sum()}"
        )
        for cell in chosen:
            if not MEANT[0] <= found[cell] <= MEANT[1]:
                print(f"  off: {cell}: {found[cell]:.3f}")


if __name__ == "__main__":
    run_script(main)
