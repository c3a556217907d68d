"""Which views are left out together."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.folds import NEVER_LEFT_OUT, fold_numbers


def views_of(
    labels: list[int], bursts: list[int], views: int = 3, shuffle: int | None = None
) -> EmbeddedViews:
    """Views of pictures, each with its own number as its embedding."""
    order = np.arange(len(labels))
    if shuffle is not None:
        order = np.random.default_rng(shuffle).permutation(order)
    pictures = np.repeat(order, views)
    return EmbeddedViews(
        pictures[:, np.newaxis].astype(np.float32),
        np.array(labels, dtype=np.int64)[pictures],
        np.array(bursts, dtype=np.int64)[pictures],
        np.arange(len(pictures)) % views == 0,
    )


def picture_numbers(views: EmbeddedViews) -> NDArray[np.int64]:
    return views.embeddings[:, 0].astype(np.int64)


def test_only_gives_the_chosen_views_whole() -> None:
    views = views_of([0, 0, 1], [0, 1, 2])
    some = views.only(views.is_original)
    assert picture_numbers(some).tolist() == [0, 1, 2]
    assert some.label_indices.tolist() == [0, 0, 1]
    assert some.bursts.tolist() == [0, 1, 2]
    assert some.is_original.all()


@pytest.mark.parametrize("seed", range(6))
def test_recordings_stay_whole_and_no_part_lacks_a_label(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 12, 18)
    bursts = np.repeat(np.arange(18), lengths)
    views = views_of((bursts % 3).tolist(), bursts.tolist(), shuffle=seed)
    folds = fold_numbers(views, 3)
    assert set(folds.tolist()) == {0, 1, 2, 3, 4}
    for recording in range(18):
        assert len(set(folds[views.bursts == recording].tolist())) == 1, "cut"
    for label in range(3):
        sizes = np.bincount(folds[views.label_indices == label], minlength=5)
        assert sizes.min() > 0
        # The largest recordings go first, so that none makes a part much larger than another.
        largest = np.bincount(views.bursts[views.label_indices == label]).max()
        assert np.ptp(sizes) <= largest


def test_the_largest_recording_goes_first_and_each_one_where_the_fewest_are() -> None:
    bursts = [0] * 2 + [1] * 5 + [2] * 3 + [3] * 2
    views = views_of([0] * 12 + [1] * 2, [*bursts, 4, 5], views=1)
    folds = fold_numbers(views, 2, fold_count=2)
    parts = [set(views.bursts[(folds == fold) & (views.label_indices == 0)]) for fold in (0, 1)]
    assert parts == [{1, 3}, {2, 0}]


def test_a_lone_recording_is_cut_in_time_between_pictures() -> None:
    views = views_of([0] * 10 + [1] * 10, [0] * 10 + list(range(1, 11)))
    folds = fold_numbers(views, 2)
    own = folds[views.label_indices == 0]
    numbers = picture_numbers(views)[views.label_indices == 0]
    pieces = [sorted(set(numbers[own == fold].tolist())) for fold in range(5)]
    assert sorted(pieces) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    for number in range(10):
        assert len(set(own[numbers == number].tolist())) == 1, "views of a picture are apart"


def test_a_lone_recording_is_cut_whole_where_only_some_of_its_pictures_are_asked() -> None:
    # Pictures of both labels by turns, as where some were left out: each label's own order counts.
    views = views_of([0, 1] * 6, [0, 1] * 6)
    folds = fold_numbers(views, 2, fold_count=3)
    for label in (0, 1):
        own = folds[views.label_indices == label]
        assert np.bincount(own).tolist() == [6, 6, 6]
        assert len(np.flatnonzero(np.diff(own))) == 2, "no piece is in one part"


def test_two_bursts_of_a_label_are_two_folds_however_many_another_label_has() -> None:
    views = views_of([0] * 20 + [1] * 4, [*np.repeat(np.arange(10), 2), 10, 10, 11, 11])
    folds = fold_numbers(views, 2)
    assert set(folds[views.label_indices == 0].tolist()) == {0, 1, 2, 3, 4}
    assert len(set(folds[views.label_indices == 1].tolist())) == 2


def test_the_only_picture_of_a_label_is_never_left_out() -> None:
    views = views_of([0] * 8 + [1], list(range(9)))
    folds = fold_numbers(views, 2)
    assert set(folds[views.label_indices == 1].tolist()) == {NEVER_LEFT_OUT}
    assert set(folds[views.label_indices == 0].tolist()) == {0, 1, 2, 3, 4}


def test_one_numbering_for_all_who_ask() -> None:
    views = views_of([0, 1] * 15, [number // 2 for number in range(30)])
    np.testing.assert_array_equal(fold_numbers(views, 2), fold_numbers(views, 2))
