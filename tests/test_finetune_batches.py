"""Batches: the same views whatever the number of threads and processes."""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray

from tests.finetune_pictures import squares_and_stripes
from webcam_classifier.finetune.batches import (
    Batch,
    PictureInputs,
    made_ahead,
    plan_epoch,
    targets_of,
)
from webcam_classifier.finetune.classic_views import ColourViews, PlainViews
from webcam_classifier.finetune.random_views import RandomViews
from webcam_classifier.preprocess import prepare

LABELS = ("square", "stripes")


def inputs(seed: int = 0) -> PictureInputs:
    pictures = squares_and_stripes(12, 0)
    return PictureInputs(pictures, RandomViews(pictures, LABELS, 48), 48, seed)


def mixed_batch() -> Batch:
    plans = (plan_epoch(12, 2, 1.0, 0, epoch) for epoch in range(1, 50))
    return next(batch for plan in plans for batch in plan if 0.2 < batch.mixup_weight < 0.8)


def test_each_picture_is_seen_once_an_epoch_in_an_order_of_its_own() -> None:
    epochs = [np.concatenate([b.pictures for b in plan_epoch(17, 4, 0.7, 0, e)]) for e in (1, 2)]
    assert [sorted(order.tolist()) for order in epochs] == [list(range(17))] * 2
    assert not np.array_equal(epochs[0], epochs[1])
    assert [len(batch.pictures) for batch in plan_epoch(17, 4, 0.7, 0, 1)] == [5, 4, 4, 4]


def test_views_depend_on_seed_and_epoch_and_on_nothing_that_came_before() -> None:
    (first,), (second,) = plan_epoch(12, 1, 0.0, 0, 1), plan_epoch(12, 1, 0.0, 0, 2)
    rows = np.arange(12)
    fresh, used = inputs(), inputs()
    used.batch(first, rows)
    assert torch.equal(fresh.batch(second, rows), used.batch(second, rows))
    same_pictures = Batch(1, second.pictures, second.partners, second.mixup_weight)
    assert not torch.equal(fresh.batch(second, rows), fresh.batch(same_pictures, rows))
    assert not torch.equal(fresh.batch(second, rows), inputs(seed=1).batch(second, rows))


def test_the_shards_of_two_processes_are_the_whole_batch_with_mixup_too() -> None:
    batch = mixed_batch()
    rows = np.arange(len(batch.pictures))
    halves = np.array_split(rows, 2)
    labels = squares_and_stripes(12, 0).label_indices
    parts = [inputs().batch(batch, half) for half in halves]
    assert torch.equal(torch.cat(parts), inputs().batch(batch, rows))
    targets = [targets_of(batch, half, labels, 2) for half in halves]
    assert torch.equal(torch.cat(targets), targets_of(batch, rows, labels, 2))


def test_mixup_mixes_the_targets_as_it_mixes_the_pictures() -> None:
    batch = Batch(1, np.array([0, 1]), np.array([1, 0]), 0.75)
    found = targets_of(batch, np.array([0, 1]), np.array([0, 1]), 2)
    assert found.tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_what_threads_make_comes_in_order() -> None:
    def make(number: int) -> int:
        time.sleep(0.01 * (number % 3))
        return number

    assert list(made_ahead(range(20), make, 4)) == list(range(20))


def test_closing_ends_the_threads_before_everything_is_made() -> None:
    made: list[int] = []
    results = made_ahead(range(1000), made.append, 2)
    next(results)
    results.close()
    assert len(made) < 100


def test_plain_views_are_what_live_sees() -> None:
    pictures = squares_and_stripes(3, 0)
    view = PlainViews(pictures, 32).of(2, np.random.default_rng(0))
    np.testing.assert_array_equal(view, prepare(pictures.images[2], 32))


def test_colours_jitter_a_little_and_nothing_moves() -> None:
    pictures = squares_and_stripes(2, 0)
    plain = prepare(pictures.images[0], 48).astype(float)
    views = ColourViews(pictures, 48)
    made: list[NDArray[np.float64]] = [
        views.of(0, np.random.default_rng(seed)).astype(float) for seed in range(10)
    ]
    for view in made:
        assert np.corrcoef(view.ravel(), plain.ravel())[0, 1] > 0.95
    brightness = [view.mean() / plain.mean() for view in made]
    assert 0.85 < min(brightness) < 0.98 < 1.02 < max(brightness) < 1.15
