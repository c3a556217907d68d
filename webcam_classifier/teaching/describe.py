"""Say in words and numbers how teaching goes."""

from __future__ import annotations

from collections.abc import Mapping

from webcam_classifier.dataset.collection import describe_imbalance, labels_behind
from webcam_classifier.teaching.known_pictures import KnownPictures
from webcam_classifier.teaching.state import NEWEST, LabelState


def describe_labels(pictures: KnownPictures) -> tuple[LabelState, ...]:
    """Describe all labels, in the order in which they are shown.

    Args:
        pictures: Of the data set.
    """
    counts = pictures.counts()
    behind = labels_behind(counts)
    return tuple(
        LabelState(label, count, pictures.names(label, NEWEST), label in behind)
        for label, count in counts.items()
    )


def describe_warnings(pictures: KnownPictures) -> tuple[str, ...]:
    """Say what a person should mend, a sentence each.

    Args:
        pictures: Of the data set.
    """
    found = []
    imbalance = describe_imbalance(pictures.counts())
    if imbalance is not None:
        found.append(f"{imbalance[0].upper()}{imbalance[1:]}.")
    if pictures.refused:
        (label, name), reason = next(iter(pictures.refused.items()))
        count = len(pictures.refused)
        files = "A file" if count == 1 else f"{count} files"
        such_as = "" if count == 1 else "such as "
        found.append(
            f"{files} can't be read and teaches nothing: {such_as}{label}/{name}, {reason}."
        )
    return tuple(found)


def describe_lack(counts: Mapping[str, int]) -> str:
    """Say what is missing before anything can be measured; empty where nothing is.

    Args:
        counts: Pictures by label, in the labels' order.
    """
    shown = [label for label, count in counts.items() if count]
    if len(shown) < 2:
        missing = [label for label, count in counts.items() if not count]
        if len(counts) < 2:
            return "Add a second label: a choice needs two."
        return f"Record {missing[0]}: a choice needs two labels with pictures."
    single = [label for label in shown if counts[label] == 1]
    if single:
        return f"Record more of {single[0]}: a single picture can't be left out to ask about it."
    return ""
