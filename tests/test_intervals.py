"""The interval over bursts, against how often it holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.interval_coverage import Cell, coverage, wilson_coverage
from webcam_classifier.evaluation.intervals import burst_interval, wilson_interval


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (81, 263, 0.255, 0.366), (0, 0, 0.0, 1.0)],
)
def test_the_interval_of_pictures_is_wilsons(
    right: int, count: int, low: float, high: float
) -> None:
    # 81 of 263 is Wilson's published example for the score interval (Newcombe, 1998, method 3).
    found_low, found_high = wilson_interval(right, count)
    assert found_low == pytest.approx(low, abs=6e-4)
    assert found_high == pytest.approx(high, abs=6e-4)


@pytest.mark.parametrize("bursts", [3, 6, 12, 30])
@pytest.mark.parametrize("accuracy", [0.7, 0.9, 0.97])
@pytest.mark.parametrize("sizes", [(10,), (27,), (3, 60, 8)])
def test_the_interval_holds_the_truth_where_bursts_differ(
    bursts: int, accuracy: float, sizes: tuple[int, ...]
) -> None:
    cell = Cell(bursts, sizes, accuracy, 0.25)
    right = cell.draw(400, np.random.default_rng(0))
    # 0.90 is meant; of 400 experiments chance alone takes up to two standard errors away.
    assert 0.90 - 0.03 <= coverage(cell, right) <= 0.99 + 0.01
    if sizes == (27,) and accuracy < 0.97:
        assert wilson_coverage(cell, right) < 0.85


@pytest.mark.parametrize("sizes", [(1,), (10,)])
def test_the_interval_holds_the_truth_where_bursts_do_not_differ(sizes: tuple[int, ...]) -> None:
    cell = Cell(30, sizes, 0.9, 0.0)
    right = cell.draw(400, np.random.default_rng(0))
    assert 0.92 <= coverage(cell, right) <= 1.0


def test_perfect_bursts_do_not_make_it_certain() -> None:
    interval = burst_interval(np.array([[27, 27]] * 3))
    assert interval is not None
    assert interval[1] == 1.0
    assert 0.4 < interval[0] < 0.85
    more = burst_interval(np.array([[27, 27]] * 30))
    assert more is not None
    assert interval[0] < more[0] < 1.0


def test_the_interval_holds_its_own_figure() -> None:
    # Two large bursts do worse than many small ones: 0.775 of all pictures.
    counts = np.array([[80, 100], [70, 100], *[[10, 10]] * 10, *[[10, 17]] * 6])
    share = counts[:, 0].sum() / counts[:, 1].sum()
    interval = burst_interval(counts)
    assert interval is not None
    assert interval[0] <= share <= interval[1]


def test_near_duplicates_tell_less_than_as_many_independent_pictures() -> None:
    copies = burst_interval(np.array([[27, 27], [27, 27], [13, 27], [27, 27]]))
    alone = burst_interval(np.array([[1, 1]] * 94 + [[0, 1]] * 14))
    assert copies is not None
    assert alone is not None
    assert copies[1] - copies[0] > 2.5 * (alone[1] - alone[0])


def test_pictures_that_are_alone_have_the_interval_of_independent_ones() -> None:
    found = burst_interval(np.array([[1, 1]] * 4700 + [[0, 1]] * 300))
    assert found is not None
    assert found == pytest.approx(wilson_interval(4700, 5000), abs=6e-4)


def test_two_bursts_are_too_few() -> None:
    assert burst_interval(np.array([[9, 10], [8, 10]])) is None
    assert burst_interval(np.zeros((0, 2), dtype=np.int64)) is None
