"""Describe how a data set is split, label by label, with warnings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.predefined_split import PARTS, TEST_PART, VALIDATION_PART
from webcam_classifier.dataset.split import Split

_UNBALANCED = 4  # times as many pictures of one label as of another
_MOST_LINES = 30  # of a table of labels; beyond, the poorest and the richest are shown
_SHOWN_OF_MANY = 5


def describe_split(split: Split, label_indices: NDArray[np.int64], labels: Sequence[str]) -> str:
    """Say how many pictures of each label are in each part, with warnings.

    Args:
        split: Of these pictures.
        label_indices: (pictures,) int64.
        labels: The labels' names.
    """
    lines = _table(split, label_indices, labels)
    # Where some were kept to choose by, but none to measure with, another folder measures.
    measures = bool(split.test.size) or not split.validation.size
    if split.given:
        lines.append(_describe_given(split))
    elif split.cut_labels and measures:
        lines.append(
            f"warning: nearly all pictures of {', '.join(split.cut_labels)} are one burst. It was "
            "cut in time, so the figures say how the model does in this very burst. Record another "
            "burst, at another time or place, to learn how it does there."
        )
    if split.validation_cut_labels:
        lines.append(
            f"note: there are too few bursts of {', '.join(split.validation_cut_labels)} to hold a "
            "whole one back for validation, so the end of a training burst is used; it is not "
            "tested on. Record one more burst for a better choice."
        )
    if measures and not (split.given or split.cut_labels or split.are_named):
        lines.append(
            "note: the file names don't say which pictures were recorded together (those of "
            "collect.py do), so only near duplicates are kept on one side. Another person or room "
            "may get a lower figure: --test-dataset FOLDER measures it."
        )
    lines += _describe_balance(label_indices, labels)
    return "\n".join(lines)


def _table(split: Split, label_indices: NDArray[np.int64], labels: Sequence[str]) -> list[str]:
    wide = max(len("label"), *(len(label) for label in labels))
    parts = split.parts()
    if not split.validation.size and not split.test.size:  # all are learnt from
        parts = {"pictures": split.training}
    columns = [*(f"{part:>10}" for part in parts), f"{'bursts':>10}"]
    lines = [f"{'label':<{wide}}  " + "  ".join(columns)]
    by_count = np.argsort(np.bincount(label_indices, minlength=len(labels)), kind="stable")
    shown = np.arange(len(labels))
    if len(labels) > _MOST_LINES:
        shown = np.concatenate([by_count[:_SHOWN_OF_MANY], by_count[-_SHOWN_OF_MANY:]])
    for label_index in shown.tolist():
        counts = [int((label_indices[part] == label_index).sum()) for part in parts.values()]
        bursts = len(np.unique(split.bursts[label_indices == label_index]))
        said = "1, cut" if labels[label_index] in split.cut_labels else str(bursts)
        columns = [*(f"{count:>10}" for count in counts), f"{said:>10}"]
        lines.append(f"{labels[label_index]:<{wide}}  " + "  ".join(columns))
    if len(shown) < len(labels):
        left = len(labels) - len(shown)
        lines.insert(1 + _SHOWN_OF_MANY, f"... {left} more labels ...")
        totals = "  ".join(f"{len(part):>10}" for part in parts.values())
        lines.append(f"{'all':<{wide}}  {totals}")
    return lines


def _describe_given(split: Split) -> str:
    """Say which parts are predefined, and how missing ones were made."""
    named = " and ".join((", ".join(split.given[:-1]), split.given[-1])).removeprefix(" and ")
    sentence = f"The folder has a predefined split, and its parts for {named} are used as they are"
    if PARTS[TEST_PART] not in split.given and PARTS[VALIDATION_PART] in split.given:
        return (
            f"{sentence}. It has no test part: its validation pictures are tested on instead, and "
            "others are held back from its training part for validation."
        )
    if PARTS[VALIDATION_PART] not in split.given:
        return f"{sentence}; pictures for validation are held back from its training part."
    return f"{sentence}."


def _describe_balance(label_indices: NDArray[np.int64], labels: Sequence[str]) -> list[str]:
    counts = np.bincount(label_indices, minlength=len(labels))
    most, fewest = int(counts.argmax()), int(counts.argmin())
    if counts[most] < _UNBALANCED * counts[fewest]:
        return []
    return [
        f"warning: {labels[most]} has {counts[most]} pictures and {labels[fewest]} only "
        f"{counts[fewest]}. Both weigh the same in training, but the figures of the rare one are "
        "rough: add more pictures of it."
    ]
