"""Describe the progress of recording and teaching in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping

from webcam_classifier.dataset.burst_numbers import count_recordings
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.listing import printable
from webcam_classifier.teaching.state import NEWEST, LabelState

_UNBALANCED_BELOW = 1 / 3  # of the pictures of the largest label
_UNBALANCED_FROM = 20  # pictures of the largest label; before that, recording has just begun


def describe_labels(dataset: Dataset) -> tuple[LabelState, ...]:
    """Describe all labels, in the order in which they are shown.

    Args:
        dataset: The data set.
    """
    counts = dataset.counts()
    behind = labels_behind(counts)
    return tuple(
        LabelState(
            label,
            count,
            dataset.names(label, NEWEST),
            label in behind,
            count_recordings(dataset.names(label)),
        )
        for label, count in counts.items()
    )


def describe_warnings(dataset: Dataset) -> tuple[str, ...]:
    """Describe each problem that a person should fix, in a sentence.

    Args:
        dataset: The data set.
    """
    found = []
    imbalance = describe_imbalance(dataset.counts())
    if imbalance:
        found.append(imbalance)
    if dataset.refused:
        (label, name), file = next(iter(dataset.refused.items()))
        count = len(dataset.refused)
        files = "A file" if count == 1 else f"{count} files"
        such_as = "" if count == 1 else "such as "
        is_left = "is" if count == 1 else "are"
        found.append(
            f"{files} can't be read and {is_left} left out: {such_as}{label}/{name}, {file.reason}."
        )
    refused = set(dataset.refused.values())
    unusable = [
        one for one in dataset.skipped if (one.is_closed or one.is_misnamed) and one not in refused
    ]
    if unusable:
        more = f" (and {len(unusable) - 1} more)" if len(unusable) > 1 else ""
        found.append(f"{printable(unusable[0].path)} is not used{more}: {unusable[0].reason}.")
    return tuple(found)


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


def describe_imbalance(counts: Mapping[str, int]) -> str:
    """Say which label has far fewer pictures than another; empty if none has.

    Args:
        counts: Pictures by label, in the labels' order.
    """
    behind = labels_behind(counts)
    if not behind:
        return ""
    most = max(counts, key=lambda label: counts[label])
    return f"Record more of {behind[0]}: it has {counts[behind[0]]}, and {most} has {counts[most]}."


def describe_lack(counts: Mapping[str, int]) -> str:
    """Say what is missing before anything can be measured; empty if nothing is.

    Args:
        counts: Pictures by label, in the labels' order.
    """
    shown = [label for label, count in counts.items() if count]
    if len(shown) < 2:
        missing = [label for label, count in counts.items() if not count]
        if len(counts) < 2:
            return "Add at least two labels."
        return f"Record {missing[0]}: at least two labels need snapshots."
    single = [label for label in shown if counts[label] == 1]
    if single:
        return f"Record more of {single[0]}: a single picture can't be left out to test on."
    return ""
