"""Hold pictures back to measure with, so that no near copy of them was trained on.

Frames of one recording are near copies of each other. A random split puts copies on both sides,
and then reports 99 % for a model that has learnt nothing: so whole recordings change sides. A
folder that comes split is taken as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.given_parts import PARTS, TEST_PART, TRAINING_PART, VALIDATION_PART
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name

Shares = tuple[float, float, float]
"""Of training, validation and test; they sum to 1."""

SHARES: Shares = (0.6, 0.2, 0.2)

NEAR_COPY = 24
"""Bits of a fingerprint of 256 that may differ between near copies. Independent pictures of one
place differ in 40 and more, neighbours in a recording mostly in fewer than 40."""

_NEIGHBOUR = 48  # bits of 256
_SMALLEST_REST = 0.2  # share of a label outside its largest recording, to hold whole ones back
_FOLDS = 5
_UNBALANCED = 4  # times as many pictures of one label as of another
_MOST_LINES = 30  # of a table of labels; beyond, the poorest and the richest are shown
_SHOWN_OF_MANY = 5


@dataclass(frozen=True, eq=False)
class Split:
    """Which pictures train, which choose, and which measure.

    Attributes:
        training: Indices of pictures, int64.
        validation: Likewise.
        test: Likewise; empty where another folder is tested on.
        bursts: (pictures,) int64: pictures of one recording have one number.
        cut_labels: Labels of which nearly all pictures are one recording, which had to be cut:
            a figure for them says how the model does in this recording, not in a new one.
        are_named: Whether all names say which pictures were recorded together, as those from
            collect.py do. Else only near copies and neighbours are known to belong together.
        given: Which of `PARTS` the folder came with; none where it came whole. Without a test
            part, the given validation part is what measures.
        leaked: How many test pictures have a copy or near copy among those learnt from, where
            the folder came split; see `duplicates.find_leaks`.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    bursts: NDArray[np.int64]
    cut_labels: tuple[str, ...]
    are_named: bool
    given: tuple[str, ...] = ()
    leaked: int = 0

    @property
    def test_is_given(self) -> bool:
        """Whether the pictures that measure are a part that the folder came with."""
        return self.test.size > 0 and bool({"validation", "test"} & set(self.given))

    @property
    def learnt(self) -> NDArray[np.int64]:
        """Indices of all pictures that may be learnt from: training and validation."""
        return np.union1d(self.training, self.validation)

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
    """Split pictures by recording, label by label; the same names give the same split.

    Args:
        names: Each picture's path below the data set, in sorted order.
        label_indices: (pictures,) int64.
        labels: The labels' names.
        fingerprints: (pictures, 256) bool, see `labelled_pictures.fingerprint`.
        hold_test: False leaves the test part empty, for a test set from elsewhere.
        shares: How much each part gets, as near as whole recordings allow.
    """
    if not hold_test:
        shares = (shares[0] + shares[2], shares[1], 0.0)
    parts: tuple[list[int], ...] = ([], [], [])
    bursts = np.zeros(len(names), dtype=np.int64)
    cut: list[str] = []
    for label_index, label in enumerate(labels):
        members = np.flatnonzero(label_indices == label_index)
        own_names = [names[index] for index in members.tolist()]
        own_recordings = find_bursts(own_names, fingerprints[members])
        largest = int(np.bincount(own_recordings).max(initial=0))
        if len(members) - largest < _SMALLEST_REST * len(members):
            cut.append(label)
            own_recordings = _pieces(len(members), _FOLDS)
            own_parts = _cut_in_order(len(members), shares)
        else:
            own_parts = _assign(own_names, own_recordings, shares)
        bursts[members] = own_recordings + bursts.max(initial=0) + 1
        for part, found in zip(parts, own_parts, strict=True):
            part.extend(members[found].tolist())
    training, validation, test = (np.array(sorted(part), dtype=np.int64) for part in parts)
    are_named = all(parse_snapshot_name(PurePosixPath(name).stem) for name in names)
    return Split(training, validation, test, bursts, tuple(cut), are_named)


def split_as_given(
    names: Sequence[str],
    label_indices: NDArray[np.int64],
    labels: Sequence[str],
    fingerprints: NDArray[np.bool_],
    part_indices: NDArray[np.int64],
    hold_test: bool = True,
) -> Split:
    """Take the parts that a folder came with, and hold back from its training part what it lacks.

    A validation part chooses, and what chose can't measure. So where there is no test part, the
    validation part becomes the test part, and another one is held back from training.

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
    if VALIDATION_PART not in own:
        own[learnt[inner.validation]] = VALIDATION_PART
    if lacks_test:
        own[learnt[inner.test]] = TEST_PART
    whole = split_pictures(names, label_indices, labels, fingerprints)
    training, validation, test = (np.flatnonzero(own == part) for part in range(len(PARTS)))
    return Split(
        training=training,
        validation=validation,
        test=test,
        bursts=whole.bursts,
        cut_labels=inner.cut_labels if lacks_test else (),
        are_named=whole.are_named,
        given=given,
    )


def describe_split(split: Split, label_indices: NDArray[np.int64], labels: Sequence[str]) -> str:
    """Say how many pictures of each label are in each part, and what to beware of.

    Args:
        split: Of these pictures.
        label_indices: (pictures,) int64.
        labels: The labels' names.
    """
    lines = _table(split, label_indices, labels)
    if split.given:
        lines.append(_describe_given(split))
    elif split.cut_labels:
        lines.append(
            f"warning: nearly all pictures of {', '.join(split.cut_labels)} are one recording. It "
            "was cut in time, so the figures say how the model does in this very recording. "
            "Record again at another time or place to learn how it does there."
        )
    elif not split.are_named:
        lines.append(
            "note: these names don't say which pictures were recorded together (those of "
            "collect.py do), so only near copies are kept on one side. Another person or room may "
            "get a lower figure than this: --test-dataset FOLDER measures it."
        )
    lines += _describe_balance(label_indices, labels)
    return "\n".join(lines)


def _table(split: Split, label_indices: NDArray[np.int64], labels: Sequence[str]) -> list[str]:
    wide = max(len("label"), *(len(label) for label in labels))
    lines = [f"{'label':<{wide}}  " + "  ".join(f"{part:>10}" for part in PARTS) + "  recordings"]
    if not split.are_named:
        lines[0] = lines[0].replace("recordings", "    groups")
    by_count = np.argsort(np.bincount(label_indices, minlength=len(labels)), kind="stable")
    shown = np.arange(len(labels))
    if len(labels) > _MOST_LINES:
        shown = np.concatenate([by_count[:_SHOWN_OF_MANY], by_count[-_SHOWN_OF_MANY:]])
    for label_index in shown.tolist():
        counts = [
            int((label_indices[part] == label_index).sum()) for part in split.parts().values()
        ]
        bursts = len(np.unique(split.bursts[label_indices == label_index]))
        said = "1, cut" if labels[label_index] in split.cut_labels else str(bursts)
        lines.append(
            f"{labels[label_index]:<{wide}}  "
            + "  ".join(f"{count:>10}" for count in counts)
            + f"  {said:>10}"
        )
    if len(shown) < len(labels):
        left = len(labels) - len(shown)
        lines.insert(1 + _SHOWN_OF_MANY, f"... {left} more labels ...")
        totals = "  ".join(f"{len(part):>10}" for part in split.parts().values())
        lines.append(f"{'all':<{wide}}  {totals}")
    return lines


def _describe_given(split: Split) -> str:
    """Say which parts were taken as they came, and what was made of those that were missing."""
    named = " and ".join((", ".join(split.given[:-1]), split.given[-1])).removeprefix(" and ")
    sentence = f"The folder came split, and its parts for {named} are used as given"
    if PARTS[TEST_PART] not in split.given and PARTS[VALIDATION_PART] in split.given:
        return (
            f"{sentence}. It has no test part: its validation pictures measure, and since what "
            "chooses can't measure, others are held back from its training part to choose by."
        )
    if PARTS[VALIDATION_PART] not in split.given:
        return f"{sentence}; pictures to choose by are held back from its training part."
    return f"{sentence}."


def _describe_balance(label_indices: NDArray[np.int64], labels: Sequence[str]) -> list[str]:
    counts = np.bincount(label_indices, minlength=len(labels))
    most, fewest = int(counts.argmax()), int(counts.argmin())
    if counts[most] < _UNBALANCED * counts[fewest]:
        return []
    return [
        f"warning: {labels[most]} has {counts[most]} pictures and {labels[fewest]} only "
        f"{counts[fewest]}. They count alike in training, but little is known of the rare one: "
        "record more of it."
    ]


def find_bursts(names: Sequence[str], fingerprints: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number the recordings of one label's pictures.

    Pictures belong together when their names say so (session and burst), when they look nearly
    the same, or when they follow each other by name and look alike.

    Args:
        names: In sorted order.
        fingerprints: (pictures, 256) bool.

    Returns:
        (pictures,) int64, from 0.
    """
    # Loaded only now: it takes longer than all else that a live picture needs to begin.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(names)
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    differing = _differing_bits(fingerprints)
    linked = differing <= NEAR_COPY
    following = np.arange(count - 1)
    linked[following, following + 1] |= differing[following, following + 1] <= _NEIGHBOUR
    bursts: dict[object, int] = {}
    for index, name in enumerate(names):
        parsed = parse_snapshot_name(PurePosixPath(name).stem)
        if parsed is not None:
            first = bursts.setdefault((PurePosixPath(name).parent, *parsed[:2]), index)
            linked[first, index] = True
    _, bursts = connected_components(coo_matrix(linked), directed=False)
    return np.asarray(bursts, dtype=np.int64)


def _differing_bits(fingerprints: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count differing bits for each pair: |a| + |b| - 2 a.b, as one product of matrices."""
    bits = fingerprints.astype(np.float32)
    ones = bits.sum(axis=1)
    differing = ones[:, np.newaxis] + ones[np.newaxis, :] - 2.0 * (bits @ bits.T)
    return np.asarray(np.rint(differing), dtype=np.int64)


def _pieces(count: int, pieces: int) -> NDArray[np.int64]:
    return np.arange(count, dtype=np.int64) * pieces // max(1, count)


def _cut_in_order(count: int, shares: Sequence[float]) -> tuple[NDArray[np.int64], ...]:
    """Cut one recording into its beginning, middle and end, none of them empty if it can be."""
    order = np.arange(count, dtype=np.int64)
    ends = np.rint(np.cumsum(shares) * count).astype(int)
    first = min(int(ends[0]), count - (2 if shares[2] else 1))
    second = max(first + 1, int(ends[1])) if shares[2] else count
    second = min(second, count - 1) if shares[2] else count
    return order[:first], order[first:second], order[second:]


def _assign(
    names: Sequence[str], bursts: NDArray[np.int64], shares: Sequence[float]
) -> tuple[NDArray[np.int64], ...]:
    """Give whole recordings to the part that lacks most, the largest first."""
    sizes = np.bincount(bursts)
    firsts = [names[int(np.flatnonzero(bursts == number)[0])] for number in range(len(sizes))]
    order = sorted(
        range(len(sizes)), key=lambda number: (-sizes[number], _shuffled(firsts[number]))
    )
    wanted = [part for part, share in enumerate(shares) if share > 0]
    lacking = np.array(shares) * len(names)
    chosen = np.zeros(len(sizes), dtype=np.int64)
    taken: set[int] = set()
    for place, number in enumerate(order):
        empty = [part for part in wanted if part not in taken]
        # When only as many recordings are left as parts are empty, those parts come first.
        open_parts = empty if len(order) - place <= len(empty) else wanted
        part = max(open_parts, key=lambda candidate: lacking[candidate])
        chosen[number] = part
        lacking[part] -= sizes[number]
        taken.add(part)
    own = chosen[bursts]
    split = [np.flatnonzero(own == part) for part in range(len(PARTS))]
    if shares[2] and split[2].size == 0:  # two recordings: the second one serves both purposes
        middle = split[1].size // 2
        split[1], split[2] = split[1][:middle], split[1][middle:]
    return tuple(split)


def _shuffled(name: str) -> str:
    """Order by this is as good as random, and the same everywhere and always."""
    return hashlib.sha256(name.encode()).hexdigest()
