"""Find the snapshots that somebody should check: wrong labels, near duplicates, bad quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.near_duplicates import are_near_duplicates, group_near_duplicates
from webcam_classifier.dataset.picture_files import PictureError, read_picture
from webcam_classifier.dataset.same_picture import PictureComparison
from webcam_classifier.dataset.snapshot_quality import snapshot_problem
from webcam_classifier.head.learner import Calibration
from webcam_classifier.report.label_errors import find_label_errors

Reason = Literal["label", "copy", "quality"]


@dataclass(frozen=True)
class Suspect:
    """A snapshot that somebody should check.

    Attributes:
        label: Its label.
        name: Its path below the label's folder.
        reason: `label`: it looks like another label. `copy`: it is nearly the same as another
            snapshot of its label. `quality`: it is too dark, too bright or blurred.
        about: The label it looks like, the name of the snapshot it is a copy of, or what is wrong
            with it.
        probability: For `label`, the probability of the other label according to heads that never
            saw its burst, 0 to 1; otherwise None.
    """

    label: str
    name: str
    reason: Reason
    about: str
    probability: float | None = None


class Review:
    """Checks a data set; the result of a file's quality check is remembered by its content.

    Args:
        dataset: The index of the data set.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._problems: dict[str, str] = {}  # by the content's hash; empty if there is none

    def suspects(
        self,
        calibration: Calibration | None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> tuple[Suspect, ...]:
        """Return the suspects: wrong labels first, the most certain ones at the top.

        Args:
            calibration: Needed to find wrong labels; None only checks the pictures themselves.
            is_cancelled: Called between files; true leaves out the rest of them.

        Returns:
            Each picture at most once, and only what is still there.
        """
        found: dict[tuple[str, str], Suspect] = {}
        pictures = [one for one in self._dataset.ordered() if one.is_read]
        for suspect in (
            *_wrong_labels(calibration),
            *_copies(pictures),
            *self._bad_ones(pictures, is_cancelled),
        ):
            is_there = self._dataset.get(suspect.label, suspect.name) is not None
            if is_there:
                found.setdefault((suspect.label, suspect.name), suspect)
        return tuple(found.values())

    def _bad_ones(
        self, pictures: Sequence[Picture], is_cancelled: Callable[[], bool]
    ) -> Iterator[Suspect]:
        for picture in pictures:
            problem = self._problems.get(picture.content_hash)
            if problem is None:
                if is_cancelled():
                    return
                try:
                    judged = snapshot_problem(read_picture(self._dataset.path(picture)))
                except (PictureError, OSError):  # it was removed a moment ago
                    continue
                problem = "" if judged is None else judged.value
                self._problems[picture.content_hash] = problem
            if problem:
                yield Suspect(picture.label, picture.key, "quality", problem)


def _wrong_labels(calibration: Calibration | None) -> Iterator[Suspect]:
    if calibration is None:
        return
    labels, pictures = calibration.labels, calibration.pictures
    for error in find_label_errors(calibration.views, len(labels)):
        picture = pictures[error.picture]
        yield Suspect(
            picture.label, picture.key, "label", labels[error.suggested], error.probability
        )


def _copies(pictures: Sequence[Picture]) -> Iterator[Suspect]:
    """Yield pictures that are nearly the same as an earlier one of their label."""
    by_label: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_label.setdefault(picture.label, []).append(picture)
    for own in by_label.values():
        known = [one for one in own if one.fingerprint is not None and one.small is not None]
        if len(known) < 2:
            continue
        bits = np.array([one.fingerprint for one in known], dtype=np.bool_)
        comparison = PictureComparison(np.array([one.small for one in known], dtype=np.uint8))
        groups = group_near_duplicates(bits)
        kept: dict[int, list[int]] = {}  # by group: pictures that are copies of no earlier one
        for place, group in enumerate(groups.tolist()):
            earlier = np.array(kept.setdefault(group, []), dtype=np.int64)
            near = earlier[are_near_duplicates(bits[[place]], bits[earlier])[0]]
            same = None if not near.size else comparison.first_same(place, near)
            if same is None:
                kept[group].append(place)
            else:
                yield Suspect(known[place].label, known[place].key, "copy", known[same].key)
