"""Decide for each picture whether it is recorded, and keep the counts that a person sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from webcam_classifier.dataset.bursts import UndoneBurst
from webcam_classifier.dataset.recorder import Recorder
from webcam_classifier.dataset.snapshot_quality import SnapshotQuality
from webcam_classifier.frame import BgrImage

DISK_TOO_SLOW = "taken faster than the disk writes"

_UNBALANCED_BELOW = 1 / 3  # of the label that has most
_UNBALANCED_FROM = 20  # pictures; before, the labels are simply not all recorded yet


class CollectSession:
    """One run of collect.py: from pictures that may be recorded to snapshots.

    Args:
        labels: In the order in which they are shown.
        recorder: Counts these labels.
        keep_all: Record dark, bright, blurred and repeated pictures too.
    """

    def __init__(self, labels: Sequence[str], recorder: Recorder, keep_all: bool) -> None:
        self.labels = tuple(labels)
        self.skipped: Counter[str] = Counter()
        self._recorder = recorder
        self._quality = None if keep_all else SnapshotQuality()
        self._label = self.labels[0]

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures each label has, with those that were there before."""
        return self._recorder.counts

    def begin(self, label: str) -> None:
        """Begin a burst of a label."""
        self._label = label
        self._recorder.start_burst(label)

    def take(self, image: BgrImage, wait: bool = False) -> str | None:
        """Record a picture for the label of the burst, unless it teaches nothing.

        Args:
            image: (height, width, 3) uint8; it must not be changed afterwards.
            wait: Whether to wait where the disk does not keep up, rather than to skip it.

        Returns:
            Why it was skipped, in a few words, or None where it was recorded.

        Raises:
            UserError: An earlier snapshot could not be written.
        """
        problem = None if self._quality is None else self._quality.problem(self._label, image)
        reason = None if problem is None else problem.value
        if reason is None and self._recorder.save(image, wait) is None:
            reason = DISK_TOO_SLOW
        if reason is not None:
            self.skipped[reason] += 1
        elif self._quality is not None:
            self._quality.keep(self._label, image)
        return reason

    def undo(self) -> UndoneBurst | None:
        """Take the last burst back; see `Recorder.undo`."""
        undone = self._recorder.undo()
        if undone is not None and self._quality is not None:
            self._quality.forget(undone.label)
        return undone

    def check(self) -> None:
        """Raise a `UserError` where the disk has failed."""
        self._recorder.check()

    def labels_behind(self) -> list[str]:
        """The labels that have far fewer pictures than another, those with fewest first."""
        return labels_behind(self.counts)

    def imbalance(self) -> str | None:
        """Say which label has far fewer pictures than another, or None."""
        return describe_imbalance(self.counts)

    def describe_skipped(self) -> str:
        """List how many pictures were skipped for which reason; empty where none was."""
        return ", ".join(f"{count} {reason}" for reason, count in self.skipped.most_common())


def labels_behind(counts: Mapping[str, int]) -> list[str]:
    """Name the labels that have far fewer pictures than another, those with fewest first.

    Args:
        counts: Pictures by label, in the labels' order.
    """
    most = max(counts.values(), default=0)
    if most < _UNBALANCED_FROM:
        return []
    behind = [label for label, count in counts.items() if count < _UNBALANCED_BELOW * most]
    return sorted(behind, key=lambda label: counts[label])


def describe_imbalance(counts: Mapping[str, int]) -> str | None:
    """Say which label has far fewer pictures than another, or None.

    Args:
        counts: Pictures by label, in the labels' order.
    """
    behind = labels_behind(counts)
    if not behind:
        return None
    most = max(counts, key=lambda label: counts[label])
    return f"record more of {behind[0]}: it has {counts[behind[0]]}, and {most} has {counts[most]}"
