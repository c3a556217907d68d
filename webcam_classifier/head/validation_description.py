"""Describe how validation pictures were kept apart from training pictures."""

from __future__ import annotations

from collections.abc import Sequence


def describe_validation(labels: Sequence[str], cut_labels: Sequence[str], are_named: bool) -> str:
    """Say what a cross-validated accuracy is based on; used wherever one is shown.

    Args:
        labels: All of them.
        cut_labels: Those of a single burst, which was cut in time.
        are_named: Whether the names of all pictures tell their burst; else near duplicates were put
            into groups.
    """
    if set(cut_labels) == set(labels):
        return "the bursts that it was trained on, cut in time: record each label again, elsewhere"
    kept_apart = "bursts that were left out in turn"
    if not are_named:
        kept_apart = (
            "pictures left out in turn with their near duplicates "
            "(file names don't tell recordings apart)"
        )
    if cut_labels:
        return f"{kept_apart}, but for {', '.join(cut_labels)}: the same burst, cut in time"
    return kept_apart
