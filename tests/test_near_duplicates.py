"""Near duplicates by fingerprint: the same as comparing all with all, for far less."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from webcam_classifier.dataset.fingerprints import fingerprint
from webcam_classifier.dataset.near_duplicates import (
    NEAR_COPY,
    are_near_duplicates,
    differing_bits,
    group_near_duplicates,
)
from webcam_classifier.dataset.picture_files import read_picture


def planted(count: int, per_burst: int, noise: float, ones: float = 0.5) -> NDArray[np.bool_]:
    """Fingerprints around those of some scenes, `noise` of the bits changed in each picture."""
    generator = np.random.default_rng(0)
    scenes = generator.random((-(-count // per_burst), 256)) < ones
    pictures = scenes[generator.integers(0, len(scenes), count)]
    return np.asarray(pictures ^ (generator.random((count, 256)) < noise))


def groups_by_comparing_all(fingerprints: NDArray[np.bool_]) -> NDArray[np.int64]:
    near = (fingerprints[:, np.newaxis, :64] != fingerprints[:, :64]).sum(axis=2)
    for start in (64, 128, 192):
        part = fingerprints[:, start : start + 64]
        near += (part[:, np.newaxis] != part).sum(axis=2)
    _, groups = connected_components(near <= NEAR_COPY, directed=False)
    return np.asarray(groups, dtype=np.int64)


@pytest.fixture(scope="module")
def webcam_fingerprints(shared_data: Path) -> NDArray[np.bool_]:
    folders = ("rock_paper_scissors", "sign_digits")
    paths = [path for folder in folders for path in sorted((shared_data / folder).rglob("*.jpg"))]
    return np.array([fingerprint(read_picture(path)) for path in paths], dtype=np.bool_)


def test_groups_of_real_pictures_are_those_of_comparing_all(
    webcam_fingerprints: NDArray[np.bool_],
) -> None:
    assert len(webcam_fingerprints) > 1600  # so many that not all are compared with all
    expected = groups_by_comparing_all(webcam_fingerprints)
    assert 20 < len(set(expected.tolist())) < len(expected) - 100
    np.testing.assert_array_equal(group_near_duplicates(webcam_fingerprints), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("per_burst", "noise", "ones"),
    [(10, 0.04, 0.5), (10, 0.055, 0.5), (40, 0.02, 0.06), (2000, 0.05, 0.5), (1, 0.0, 0.5)],
)
def test_groups_are_those_of_comparing_all(per_burst: int, noise: float, ones: float) -> None:
    fingerprints = planted(2000, per_burst, noise, ones)
    np.testing.assert_array_equal(
        group_near_duplicates(fingerprints), groups_by_comparing_all(fingerprints)
    )


@pytest.mark.slow
def test_pictures_that_differ_in_some_places_alone_are_compared_as_well() -> None:
    fingerprints = np.random.default_rng(0).random((2000, 256)) < 0.5
    fingerprints[:, 100:] = False  # whole bands are the same in all
    np.testing.assert_array_equal(
        group_near_duplicates(fingerprints), groups_by_comparing_all(fingerprints)
    )


def test_a_chain_at_the_very_limit_is_found_and_one_bit_more_is_not() -> None:
    generator = np.random.default_rng(0)
    fingerprints = generator.random((2000, 256)) < 0.5
    for place in range(500):
        for other, count in ((place + 500, NEAR_COPY), (place + 1000, NEAR_COPY + 1)):
            fingerprints[other] = fingerprints[place]
            fingerprints[other, generator.choice(256, count, replace=False)] ^= True
    groups = group_near_duplicates(fingerprints)
    first = np.arange(500)
    assert (groups[first] == groups[first + 500]).all()
    assert (groups[first] != groups[first + 1000]).all()


def test_links_join_what_looks_different() -> None:
    fingerprints = np.random.default_rng(0).random((6, 256)) < 0.5
    assert group_near_duplicates(fingerprints, np.array([[0, 4], [4, 5]])).tolist() == [
        0,
        1,
        2,
        3,
        0,
        0,
    ]
    assert group_near_duplicates(fingerprints[:0]).tolist() == []


@pytest.mark.parametrize(
    ("name", "fingerprints"),
    [
        ("all the same", np.zeros((8000, 256), dtype=np.bool_)),
        ("one scene with noise", planted(8000, 8000, 0.05)),
        ("two dark scenes", planted(8000, 4000, 0.02, 0.03)),
        ("nothing alike", planted(8000, 1, 0.0)),
    ],
)
def test_no_kind_of_pictures_takes_the_memory_of_all_pairs(
    name: str, fingerprints: NDArray[np.bool_]
) -> None:
    tracemalloc.start()
    groups = group_near_duplicates(fingerprints)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(groups) == 8000
    assert peak < 120e6, f"{name}: {peak / 1e6:.0f} MB"  # all pairs of them are 1000 MB


def test_pairs_are_compared_bit_by_bit() -> None:
    fingerprints = planted(50, 5, 0.05)
    near = are_near_duplicates(fingerprints[:20], fingerprints)
    for row in range(20):
        differing = differing_bits(np.repeat(fingerprints[row : row + 1], 50, 0), fingerprints)
        np.testing.assert_array_equal(near[row], differing <= NEAR_COPY)
