"""Compare what two machines answered, and print a table; the exit code is 1 where they differ.

    python -m tests.emulated.compare TITLE ONE.npz OTHER.npz [TITLE ONE.npz OTHER.npz ...]

Equal are labels on all pictures but ties, and probabilities to a thousandth. The files are from
`answers.py`; what only one of them has is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MOST_APART = 1e-3
"""Of a probability. Two labels that are nearer to each other than twice this are a tie."""


@dataclass(frozen=True)
class Comparison:
    """How alike two machines answered.

    Attributes:
        pictures: That both were asked about.
        decoded: Of those, decoded to the same pixels.
        prepared: Prepared to the same pixels.
        labels: With the same likeliest label.
        ties: With another one, where both were about as likely.
        apart: Of all probabilities, the largest difference.
        unknown_apart: Of all scores of unknown.
    """

    pictures: int
    decoded: int
    prepared: int
    labels: int
    ties: int
    apart: float
    unknown_apart: float

    @property
    def is_equal(self) -> bool:
        """Whether it is the same as far as anybody can see."""
        are_labels_equal = self.labels + self.ties == self.pictures
        return are_labels_equal and self.apart <= MOST_APART and self.pictures > 0


def main(arguments: Sequence[str]) -> int:
    """Compare the files; the number is the exit code."""
    if not arguments or len(arguments) % 3:
        print(__doc__, file=sys.stderr)
        return 2
    parts = zip(arguments[::3], arguments[1::3], arguments[2::3], strict=True)
    found = [(title, compare(Path(one), Path(other))) for title, one, other in parts]
    print("| what | pictures | decoded alike | prepared alike | same label | ties "
          "| probability apart | unknown apart | |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for title, seen in found:
        print(
            f"| {title} | {seen.pictures} | {seen.decoded} | {seen.prepared} | {seen.labels} "
            f"| {seen.ties} | {seen.apart:.1e} | {seen.unknown_apart:.1e} "
            f"| {'equal' if seen.is_equal else 'NOT EQUAL'} |"
        )
    return 0 if all(seen.is_equal for _, seen in found) else 1


def compare(one: Path, other: Path) -> Comparison:
    """Compare the answers in two files.

    Raises:
        ValueError: They are of models with different labels.
    """
    first, second = np.load(one), np.load(other)
    if not np.array_equal(first["labels"], second["labels"]):
        raise ValueError(f"{one} and {other} are of different labels")
    _, here, there = np.intersect1d(first["names"], second["names"], return_indices=True)
    ours, theirs = first["probabilities"][here], second["probabilities"][there]
    is_same = ours.argmax(axis=1) == theirs.argmax(axis=1)
    ranked = np.sort(ours, axis=1)
    is_tie = ranked[:, -1] - ranked[:, -2] <= 2 * MOST_APART
    scores = np.abs(first["unknown_scores"][here] - second["unknown_scores"][there])
    return Comparison(
        pictures=len(here),
        decoded=int((first["decoded"][here] == second["decoded"][there]).sum()),
        prepared=int((first["prepared"][here] == second["prepared"][there]).sum()),
        labels=int(is_same.sum()),
        ties=int((~is_same & is_tie).sum()),
        apart=float(np.abs(ours - theirs).max(initial=0.0)),
        unknown_apart=float(scores.max(initial=0.0)),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
