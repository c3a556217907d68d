"""Split a data set so that no test picture has a near duplicate in training.

Frames of one burst are near duplicates of each other. A random split puts copies on both sides, and
then reports 99 % for a model that has learnt nothing. So whole bursts are assigned to a part. A
predefined split is used as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.near_duplicates import differing_bits, group_near_duplicates
from webcam_classifier.dataset.predefined_split import (
    PARTS,
    TEST_PART,
    TRAINING_PART,
    VALIDATION_PART,
)
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name

Shares = tuple[float, float, float]
"""Of training, validation and test; they sum to 1."""

SHARES: Shares = (0.6, 0.2, 0.2)

_NEIGHBOUR = 48  # bits of 256
_SMALLEST_REST = 0.2  # share of a label outside its largest burst, to hold whole ones back
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Split:
    """Which pictures are for training, validation and testing.

    Attributes:
        training: Indices of pictures, int64.
        validation: Likewise.
        test: Likewise; empty where another folder is tested on.
        bursts: (pictures,) int64: pictures of one burst have one number.
        cut_labels: Labels of which nearly all pictures are one burst, which had to be cut:
            a figure for them says how the model does in this burst, not in a new one. The
            pieces have numbers of their own in `bursts`.
        validation_cut_labels: Labels whose validation pictures are the end of a burst that training
            has the beginning of, as there are no more bursts: a choice based on them may be
            overconfident. Their test pictures are a whole burst.
        are_named: Whether all names say which pictures were recorded together, as those from
            collect.py do. Else only near duplicates and neighbours are known to belong together.
        given: Which of `PARTS` are predefined; none if the folder was not split. Without a test
            part, the predefined validation part is the test part.
        leaked: How many test pictures have a copy or near duplicate in training or validation, if
            the split is predefined; see `duplicates.find_leaks`.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    bursts: NDArray[np.int64]
    cut_labels: tuple[str, ...]
    are_named: bool
    validation_cut_labels: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    leaked: int = 0

    @property
    def test_is_given(self) -> bool:
        """Whether the test part is predefined."""
        return self.test.size > 0 and bool({"validation", "test"} & set(self.given))

    @property
    def learnt(self) -> NDArray[np.int64]:
        """Indices of the training and validation pictures."""
        return np.union1d(self.training, self.validation)

    def independent_labels(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        """Whether no validation picture of each label is of a burst that training has a part of.

        Args:
            labels: Of the data set.

        Returns:
            (labels,) bool.
        """
        cut = {*self.cut_labels, *self.validation_cut_labels}
        return np.array([label not in cut for label in labels], dtype=np.bool_)

    def parts(self) -> dict[str, NDArray[np.int64]]:
        """The three parts by name."""
        return dict(zip(PARTS, (self.training, self.validation, self.test), strict=True))


def split_pictures(
    names: Sequence[str],
    label_indices: NDArray[np.int64],
    labels: Sequence[str],
    fingerprints: NDArray[np.bool_],
    hold_test: bool = True,
    shares: Shares = SHARES,
) -> Split:
    """Split pictures by burst, label by label; the same names give the same split.

    Of two bursts of a label, the larger one (of equal ones the earlier) is for training, and the
    other one is wholly for testing; validation gets the end of the first.

    Args:
        names: Each picture's path below the data set, in any order.
        label_indices: (pictures,) int64.
        labels: The labels' names.
        fingerprints: (pictures, 256) bool, see `fingerprints.fingerprint`.
        hold_test: False leaves the test part empty, for a test set from elsewhere.
        shares: How much each part gets, as near as whole bursts allow.
    """
    if not hold_test:
        shares = (shares[0] + shares[2], shares[1], 0.0)
    bursts, cut_labels, are_named = burst_folds(names, label_indices, labels, fingerprints)
    part_of = np.full(len(names), TRAINING_PART, dtype=np.int64)
    validation_cut: list[str] = []
    for label_index, label in enumerate(labels):
        members = _in_time(names, np.flatnonzero(label_indices == label_index))
        own_names = [names[index] for index in members.tolist()]
        _, own_bursts = np.unique(bursts[members], return_inverse=True)
        if label in cut_labels:
            part_of[members] = _cut_in_time(len(members), shares)
        elif hold_test and own_bursts.max(initial=0) == 1:
            part_of[members] = _measure_with_one_of_two(own_bursts, shares)
            validation_cut.append(label)
        else:
            part_of[members] = _assign(own_names, own_bursts, shares)
    # A burst that was cut is several, so that no number is on two sides.
    is_cut = np.isin(label_indices, [labels.index(label) for label in cut_labels])
    by_part = bursts * len(PARTS) + np.where(is_cut, part_of, 0)
    _, numbers = np.unique(by_part, return_inverse=True)
    training, validation, test = (np.flatnonzero(part_of == part) for part in range(len(PARTS)))
    return Split(
        training=training,
        validation=validation,
        test=test,
        bursts=numbers.reshape(-1).astype(np.int64),
        cut_labels=cut_labels,
        are_named=are_named,
        validation_cut_labels=tuple(validation_cut),
    )


def burst_folds(
    names: Sequence[str],
    label_indices: NDArray[np.int64],
    labels: Sequence[str],
    fingerprints: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], tuple[str, ...], bool]:
    """Number what cross-validation leaves out together: bursts, or the pieces of a single one.

    Args:
        names: See `split_pictures`.
        label_indices: Likewise.
        labels: Likewise.
        fingerprints: Likewise.

    Returns:
        (pictures,) int64, numbers that no two labels share; the labels of which nearly all pictures
        are one burst, which was cut into five pieces in time; and whether all names say which
        pictures were recorded together, see `Split.are_named`.
    """
    bursts = np.zeros(len(names), dtype=np.int64)
    cut: list[str] = []
    count = 0
    for label_index, label in enumerate(labels):
        members = _in_time(names, np.flatnonzero(label_indices == label_index))
        if not members.size:
            continue
        own = find_bursts([names[index] for index in members.tolist()], fingerprints[members])
        largest = np.flatnonzero(own == np.bincount(own).argmax())
        if len(members) - len(largest) < _SMALLEST_REST * len(members):
            cut.append(label)
            own[largest] = own.max() + 1 + np.arange(len(largest)) * _FOLDS // len(largest)
        bursts[members] = count + own
        count += int(own.max()) + 1
    _, numbers = np.unique(bursts, return_inverse=True)
    are_named = all(parse_snapshot_name(PurePosixPath(name).stem) for name in names)
    return numbers.reshape(-1).astype(np.int64), tuple(cut), are_named


def split_as_predefined(
    names: Sequence[str],
    label_indices: NDArray[np.int64],
    labels: Sequence[str],
    fingerprints: NDArray[np.bool_],
    part_indices: NDArray[np.int64],
    hold_test: bool = True,
) -> Split:
    """Use the predefined parts of a folder, and hold out missing parts from its training part.

    Pictures that were used to choose a model can't test it. So without a test part, the validation
    part becomes the test part, and another one is held out from training.

    Args:
        names: See `split_pictures`.
        label_indices: Likewise.
        labels: Likewise.
        fingerprints: Likewise.
        part_indices: (pictures,) int64, of `PARTS`.
        hold_test: False leaves the test part empty and learns from it as well, for a test set
            from elsewhere.
    """
    own = part_indices.copy()
    given = tuple(PARTS[part] for part in np.unique(own).tolist())
    if hold_test and TEST_PART not in own:
        own[own == VALIDATION_PART] = TEST_PART
    elif not hold_test:
        own[own == TEST_PART] = TRAINING_PART
    lacks_test = hold_test and TEST_PART not in own
    learnt = np.flatnonzero(own == TRAINING_PART)
    inner = split_pictures(
        [names[index] for index in learnt.tolist()],
        label_indices[learnt],
        labels,
        fingerprints[learnt],
        hold_test=lacks_test,
    )
    holds_validation = VALIDATION_PART not in own
    if holds_validation:
        own[learnt[inner.validation]] = VALIDATION_PART
    if lacks_test:
        own[learnt[inner.test]] = TEST_PART
    bursts, _, are_named = burst_folds(names, label_indices, labels, fingerprints)
    training, validation, test = (np.flatnonzero(own == part) for part in range(len(PARTS)))
    validation_cut = inner.validation_cut_labels if holds_validation else ()
    if holds_validation and not lacks_test:
        validation_cut = inner.cut_labels
    return Split(
        training=training,
        validation=validation,
        test=test,
        bursts=bursts,
        cut_labels=inner.cut_labels if lacks_test else (),
        are_named=are_named,
        validation_cut_labels=validation_cut,
        given=given,
    )


def find_bursts(names: Sequence[str], fingerprints: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number the bursts of one label's pictures.

    Pictures belong together when their names say so (session and burst), when they look nearly
    the same, or when they follow each other by name and look alike.

    Args:
        names: In any order.
        fingerprints: (pictures, 256) bool.

    Returns:
        (pictures,) int64, from 0, in the order of each burst's first picture in time.
    """
    order = _in_time(names, np.arange(len(names)))
    numbers = np.zeros(len(names), dtype=np.int64)
    ordered = [names[index] for index in order.tolist()]
    numbers[order] = _find_bursts_in_order(ordered, fingerprints[order])
    return numbers


def _find_bursts_in_order(
    names: Sequence[str], fingerprints: NDArray[np.bool_]
) -> NDArray[np.int64]:
    alike = differing_bits(fingerprints[:-1], fingerprints[1:]) <= _NEIGHBOUR
    links = [(place, place + 1) for place in np.flatnonzero(alike).tolist()]
    bursts: dict[object, int] = {}
    for index, name in enumerate(names):
        parsed = parse_snapshot_name(PurePosixPath(name).stem)
        if parsed is not None:
            first = bursts.setdefault((PurePosixPath(name).parent, *parsed[:2]), index)
            links.append((first, index))
    return group_near_duplicates(fingerprints, np.array(links, dtype=np.int64).reshape(-1, 2))


def _in_time(names: Sequence[str], members: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order pictures by when they were recorded, as far as their names say; else by name."""
    keys = {index: _time_key(names[index]) for index in members.tolist()}
    return np.array(sorted(keys, key=lambda index: keys[index]), dtype=np.int64)


def _time_key(name: str) -> tuple[str, int, int, list[str]]:
    session, burst, index = parse_snapshot_name(PurePosixPath(name).stem) or ("", 0, 0)
    return session, burst, index, name.split("/")


def _cut_in_time(count: int, shares: Sequence[float]) -> NDArray[np.int64]:
    """Cut one burst into beginning, middle and end, none of them empty if it can be.

    Returns:
        (count,) int64, the part of each picture in order of time.
    """
    sizes = np.diff(np.rint(np.cumsum([0.0, *shares]) * count).astype(np.int64))
    wanted = [part for part in (TRAINING_PART, TEST_PART, VALIDATION_PART) if shares[part] > 0]
    for part in wanted[:count]:
        if not sizes[part]:
            # From the largest; of equal ones from the part that is missed least.
            giver = max(reversed(wanted), key=lambda other: sizes[other])
            sizes[giver] -= 1
            sizes[part] += 1
    return np.repeat(np.arange(len(PARTS)), sizes)


def _measure_with_one_of_two(
    bursts: NDArray[np.int64], shares: Sequence[float]
) -> NDArray[np.int64]:
    """Return the part of each picture of two bursts, in order of time."""
    parts = np.full(len(bursts), TEST_PART, dtype=np.int64)
    learnt = np.flatnonzero(bursts == np.bincount(bursts).argmax())
    both = shares[TRAINING_PART] + shares[VALIDATION_PART]
    parts[learnt] = _cut_in_time(len(learnt), (shares[0] / both, shares[1] / both, 0.0))
    return parts


def _assign(
    names: Sequence[str], bursts: NDArray[np.int64], shares: Sequence[float]
) -> NDArray[np.int64]:
    """Assign whole bursts to the part that lacks most, the largest first.

    Returns:
        (pictures,) int64, the part of each.
    """
    numbers, firsts, sizes = np.unique(bursts, return_index=True, return_counts=True)
    shuffled = [_shuffled(names[first]) for first in firsts.tolist()]
    order = sorted(numbers.tolist(), key=lambda number: (-sizes[number], shuffled[number]))
    wanted = [part for part, share in enumerate(shares) if share > 0]
    lacking = np.array(shares) * len(names)
    chosen = np.zeros(len(sizes), dtype=np.int64)
    taken: set[int] = set()
    for place, number in enumerate(order):
        empty = [part for part in wanted if part not in taken]
        # When only as many bursts are left as parts are empty, those parts come first.
        open_parts = empty if len(order) - place <= len(empty) else wanted
        part = max(open_parts, key=lambda candidate: lacking[candidate])
        chosen[number] = part
        lacking[part] -= sizes[number]
        taken.add(part)
    return chosen[bursts]


def _shuffled(name: str) -> str:
    """Order by this is as good as random, and the same everywhere and always."""
    return hashlib.sha256(name.encode()).hexdigest()
