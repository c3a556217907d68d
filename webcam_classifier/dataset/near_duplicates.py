"""Find pictures that look nearly the same, by their fingerprints, without comparing all with all.

The result is exact. Two techniques save most of the work:

- Two near duplicates differ in at most 24 of 256 bits. Cut into 13 bands, they differ in at most
  one bit of at least one band, so only pictures whose bands agree but for a bit are compared:
  multi-index hashing, M. Norouzi, A. Punjani and D. J. Fleet, "Fast Search in Hamming Space with
  Multi-Index Hashing", CVPR 2012.
- Where too many pictures share bands, as those of one room do, they are clustered around some of
  them, the leaders. By the triangle inequality, only pictures near enough to a leader can be near
  duplicates of a picture in its cluster. Pictures already known to belong together are not compared
  any more, so that thousands of pictures of one plain wall cost no more than others.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

NEAR_COPY = 24
"""Bits of a fingerprint of 256 that may differ between near duplicates. Independent pictures of one
place differ in 40 and more, neighbours in a burst mostly in fewer than 40."""

_BITS = 256
_BANDS = NEAR_COPY // 2 + 1  # so that 24 differing bits leave one band with a single one at most
_PAIRS_OF_EACH = 200  # compared by bands before leaders are tried, for each picture
_LEADERS = 4  # times the square root of the number of pictures, at most
_JUDGED_BY = 64  # leaders
_FEW = 1500  # fingerprints that are compared all with all sooner
_BLOCK = 1_000_000  # pairs compared at once: what bounds the memory
_COST_OF_A_PAIR = 8  # compared by itself, in units of a pair that is compared in one product of all

# How many bits are set in each number of 16 bits; np.bitwise_count came with NumPy 2.
_NUMBERS = np.arange(1 << 16, dtype=np.uint16)
_ONES = np.unpackbits(_NUMBERS.view(np.uint8).reshape(-1, 2), axis=1).sum(axis=1, dtype=np.uint8)


def are_near_duplicates(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Compare each of some pictures with each of some others.

    Args:
        first: (rows, 256) bool, fingerprints.
        second: (columns, 256) bool, likewise.

    Returns:
        (rows, columns) bool, whether at most `NEAR_COPY` bits differ.
    """
    # |a| + |b| - 2 a.b, as a product of matrices; float32 counts to 256 exactly.
    ones, others = (bits.sum(axis=1, dtype=np.float32) for bits in (first, second))
    both = first.astype(np.float32) @ second.astype(np.float32).T
    differing = ones[:, np.newaxis] + others - 2.0 * both
    return np.asarray(differing < NEAR_COPY + 0.5)


def differing_bits(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the bits in which pictures differ from others, pair by pair.

    Args:
        first: (pairs, 256) bool, fingerprints.
        second: Likewise.

    Returns:
        (pairs,) int64, 0 to 256.
    """
    return np.asarray((first != second).sum(axis=1, dtype=np.int64))


def group_near_duplicates(
    fingerprints: NDArray[np.bool_], links: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Number the groups of pictures that are connected by near duplicates, directly or indirectly.

    Args:
        fingerprints: (pictures, 256) bool.
        links: (links, 2) int64, pictures that belong together whatever they look like.

    Returns:
        (pictures,) int64, from 0 in the order of each group's first picture.
    """
    if not len(fingerprints):
        return np.zeros(0, dtype=np.int64)
    packed = np.packbits(np.ascontiguousarray(fingerprints), axis=1).view(np.uint64)
    distinct, place_of = np.unique(packed, axis=0, return_inverse=True)
    place_of = place_of.reshape(-1)  # NumPy 2.0 gives it another shape
    groups = np.arange(len(distinct))
    if links is not None and len(links):
        groups = _merge(groups, place_of[links[:, 0]], place_of[links[:, 1]])
    groups = _merge_distinct(distinct, groups)
    found = groups[place_of]
    _, firsts, numbers = np.unique(found, return_index=True, return_inverse=True)
    rank = np.empty(len(firsts), dtype=np.int64)
    rank[np.argsort(firsts)] = np.arange(len(firsts))
    return rank[numbers.reshape(-1)]


def _merge(
    groups: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Number the groups anew after linking pairs of their members."""
    if not len(first):
        return groups
    # Loaded only now: it takes longer than all else that a live picture needs to begin.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = int(groups.max()) + 1
    ones = np.ones(len(first), dtype=np.bool_)
    graph = coo_matrix((ones, (groups[first], groups[second])), shape=(count, count))
    _, merged = connected_components(graph, directed=False)
    return np.asarray(merged, dtype=np.int64)[groups]


def _merge_distinct(packed: NDArray[np.uint64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    every = np.arange(len(packed))
    if len(packed) <= _FEW:
        return _merge_all(packed, groups, every)
    groups, is_done = _merge_by_bands(packed, groups, every, _PAIRS_OF_EACH * len(packed))
    if is_done:
        return groups
    groups, left = _merge_around_leaders(packed, groups)
    if len(left) > _FEW:
        most = len(left) ** 2 // 2 // _COST_OF_A_PAIR
        groups, is_done = _merge_by_bands(packed, groups, left, most)
        if is_done:
            return groups
    return _merge_all(packed, groups, left)


def _merge_around_leaders(
    packed: NDArray[np.uint64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Link pictures around leaders with each other and with all others.

    Returns:
        The groups, and the fingerprints without a leader.
    """
    left = np.random.default_rng(0).permutation(len(packed))  # those of large scenes come first
    around: list[NDArray[np.int64]] = []  # the leader first
    while left.size and len(around) < _LEADERS * len(packed) ** 0.5:
        near = _differing(packed[left[0]], packed[left]) <= NEAR_COPY
        around.append(left[near])
        left = left[~near]
        latest = around[-_JUDGED_BY:]
        if len(latest) == _JUDGED_BY and sum(map(len, latest)) < 2 * _JUDGED_BY:
            break  # hardly any are of one scene
    for members in around:
        groups = _merge(groups, np.repeat(members[:1], len(members)), members)
    for members in around:
        distance = _differing(packed[members[0]], packed)
        reach = NEAR_COPY + int(distance[members].max())
        close = np.flatnonzero((distance <= reach) & (groups != groups[members[0]]))
        groups = _merge_between(packed, groups, members, close)
    return groups, left


def _merge_between(
    packed: NDArray[np.uint64],
    groups: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Compare each of some fingerprints with each of some others."""
    if not columns.size:
        return groups
    bits = _unpack(packed[columns])
    step = max(1, _BLOCK // len(columns))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        row, column = np.nonzero(are_near_duplicates(_unpack(packed[some]), bits))
        groups = _merge(groups, some[row], columns[column])
    return groups


def _merge_all(
    packed: NDArray[np.uint64], groups: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Compare all pairs of different groups among some fingerprints."""
    sizes = np.bincount(groups[chosen])[groups[chosen]]
    order = chosen[np.lexsort((groups[chosen], sizes))]  # few are left to compare the largest with
    ends = _run_ends(groups[order])
    start = 0
    while start < len(order) and ends[start] < len(order):
        others = order[ends[start] :]  # what comes before is of its group, or was compared
        stop = start + max(1, _BLOCK // len(others))
        groups = _merge_between(packed, groups, order[start:stop], others)
        start = stop
    return groups


def _merge_by_bands(
    packed: NDArray[np.uint64],
    groups: NDArray[np.int64],
    chosen: NDArray[np.int64],
    most_pairs: int,
) -> tuple[NDArray[np.int64], bool]:
    """Compare pairs of different groups among some fingerprints that have a band in common.

    Returns:
        The groups, and whether all was compared; not where that takes more than so many pairs.
    """
    bits = _unpack(packed[chosen])
    # Neighbouring bits are alike, so those of a band are drawn from all over the picture.
    scattered = np.array_split(np.random.default_rng(0).permutation(_BITS), _BANDS)
    bands = [bits[:, band].astype(np.int64) @ (1 << np.arange(len(band))) for band in scattered]
    for keys in bands:  # most of what belongs together is found here, in a chain
        order = np.argsort(keys, kind="stable")
        alike = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
        groups = _merge_near(packed, groups, chosen[order[alike]], chosen[order[alike + 1]])
    for keys in bands:
        for bit in range(max(1, int(keys.max()).bit_length())):
            candidates = _Candidates(keys & ~(1 << bit), groups[chosen])
            most_pairs -= candidates.count
            if most_pairs < 0:
                return groups, False
            for first, second in candidates.pairs():
                groups = _merge_near(packed, groups, chosen[first], chosen[second])
    return groups, True


def _merge_near(
    packed: NDArray[np.uint64],
    groups: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Compare fingerprints with others, pair by pair."""
    near = _differing(packed[first], packed[second]) <= NEAR_COPY
    return _merge(groups, first[near], second[near])


def _unpack(packed: NDArray[np.uint64]) -> NDArray[np.bool_]:
    return np.unpackbits(packed.view(np.uint8), axis=1).view(np.bool_)


def _differing(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.int64]:
    counts = _ONES[(first ^ second).view(np.uint16)]
    return np.asarray(counts.sum(axis=-1, dtype=np.int64))


class _Candidates:
    """Pairs of fingerprints with the same key that are of different groups.

    Args:
        keys: (fingerprints,) int64.
        groups: Likewise.

    Attributes:
        count: How many pairs there are.
    """

    def __init__(self, keys: NDArray[np.int64], groups: NDArray[np.int64]) -> None:
        by_both = keys * (int(groups.max()) + 1) + groups
        self._order = np.argsort(by_both)
        self._ends = _run_ends(by_both[self._order])  # of its own group
        self._counts = _run_ends(keys[self._order]) - self._ends
        self.count = int(self._counts.sum())

    def pairs(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the pairs, some at a time, as indices of their first and second ones."""
        wanted = np.flatnonzero(self._counts)
        block = (np.cumsum(self._counts[wanted]) - 1) // _BLOCK
        for chosen in np.split(wanted, np.flatnonzero(np.diff(block)) + 1):
            counts = self._counts[chosen]
            starts = np.cumsum(counts) - counts
            within = np.arange(int(counts.sum())) - np.repeat(starts, counts)
            first = np.repeat(chosen, counts)
            yield self._order[first], self._order[self._ends[first] + within]


def _run_ends(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each place of a sorted array, where the run of values equal to its own ends."""
    ends = np.append(np.flatnonzero(np.diff(ordered)) + 1, len(ordered))
    return np.repeat(ends, np.diff(ends, prepend=0))
