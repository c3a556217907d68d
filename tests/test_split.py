"""Holding back whole recordings."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from webcam_classifier.dataset.describe_split import describe_split
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.dataset.split import (
    Split,
    burst_folds,
    find_bursts,
    split_as_predefined,
    split_pictures,
)


def distinct(count: int, seed: int = 0) -> NDArray[np.bool_]:
    """Fingerprints of pictures that have nothing in common."""
    return np.random.default_rng(seed).random((count, 256)) < 0.5


def bursts(label: str, sizes: list[int]) -> list[str]:
    return [
        f"{label}/20260101T000000x00000a-{burst:03}-{index:04}.jpg"
        for burst, size in enumerate(sizes)
        for index in range(size)
    ]


def test_no_burst_is_on_two_sides() -> None:
    names = bursts("down", [30, 20, 10, 10, 5]) + bursts("up", [15, 15, 15, 15, 15])
    labels = np.repeat([0, 1], 75)
    split = split_pictures(names, labels, ["down", "up"], distinct(150))
    sides = {name.rsplit("-", 1)[0]: set[str]() for name in names}
    for part, indices in split.parts().items():
        for index in indices:
            sides[names[index].rsplit("-", 1)[0]].add(part)
    assert all(len(parts) == 1 for parts in sides.values())
    assert sum(len(indices) for indices in split.parts().values()) == 150
    assert not split.cut_labels


@pytest.mark.parametrize(
    "sizes",
    [[25] * 4, [50, 30, 20], [34, 33, 33], [90, 5, 5], [40, 40], [1] * 20, [60, 30, 5, 4, 1]],
)
def test_every_part_has_pictures_of_every_label(sizes: list[int]) -> None:
    names = bursts("a", sizes) + bursts("b", sizes)
    count = sum(sizes)
    labels = np.repeat([0, 1], count)
    split = split_pictures(names, labels, ["a", "b"], distinct(2 * count))
    for indices in split.parts().values():
        assert set(labels[indices].tolist()) == {0, 1}


def test_the_shares_are_about_three_fifths_and_two_times_one_fifth() -> None:
    names = bursts("a", [7] * 30)
    split = split_pictures(names, np.zeros(210, np.int64), ["a"], distinct(210))
    shares = [len(indices) / 210 for indices in split.parts().values()]
    np.testing.assert_allclose(shares, (0.6, 0.2, 0.2), atol=0.04)


def test_other_shares_are_kept_as_well() -> None:
    names = bursts("a", [7] * 30)
    split = split_pictures(
        names, np.zeros(210, np.int64), ["a"], distinct(210), shares=(0.5, 0.25, 0.25)
    )
    shares = [len(indices) / 210 for indices in split.parts().values()]
    np.testing.assert_allclose(shares, (0.5, 0.25, 0.25), atol=0.04)


def test_of_a_hundred_labels_the_poorest_and_the_richest_are_shown() -> None:
    labels = [f"label{number:03}" for number in range(100)]
    label_indices = np.repeat(np.arange(100), 5 + np.arange(100))
    count = len(label_indices)
    names = [f"{labels[index]}/{place:05}.jpg" for place, index in enumerate(label_indices)]
    split = split_pictures(names, label_indices, labels, distinct(count))
    said = describe_split(split, label_indices, labels).splitlines()
    assert said[1].startswith("label000")
    assert said[6] == "... 90 more labels ..."
    assert said[11].startswith("label099")
    assert said[12].startswith("all")
    assert sum(map(int, said[12].split()[1:])) == count


def test_one_single_recording_is_cut_in_time_and_that_is_said() -> None:
    names = bursts("a", [50]) + bursts("b", [10] * 5)
    labels = np.repeat([0, 1], 50)
    split = split_pictures(names, labels, ["a", "b"], distinct(100))
    assert split.cut_labels == ("a",)
    own = {part: indices[indices < 50].tolist() for part, indices in split.parts().items()}
    assert own == {
        "training": list(range(30)),
        "validation": list(range(30, 40)),
        "test": list(range(40, 50)),
    }
    assert "one burst" in describe_split(split, labels, ["a", "b"])


def test_where_another_folder_measures_nothing_is_said_of_what_a_cut_burst_measures() -> None:
    names = bursts("a", [50]) + bursts("b", [10] * 5)
    labels = np.repeat([0, 1], 50)
    kept = split_pictures(names, labels, ["a", "b"], distinct(100), shares=(0.8, 0.2, 0.0))
    assert kept.cut_labels == ("a",)
    assert not kept.test.size
    assert "warning" not in describe_split(kept, labels, ["a", "b"])


def test_names_that_tell_nothing_of_recordings_are_said_to() -> None:
    names, labels = [f"a/{index:03}.jpg" for index in range(20)], np.zeros(20, np.int64)
    foreign = split_pictures(names, labels, ["a"], distinct(20))
    recorded = split_pictures(bursts("a", [2] * 10), labels, ["a"], distinct(20))
    assert (foreign.are_named, recorded.are_named) == (False, True)
    assert "only near duplicates" in describe_split(foreign, labels, ["a"])
    assert "note" not in describe_split(recorded, labels, ["a"])


def test_near_duplicates_are_one_recording_whatever_their_names() -> None:
    fingerprints = distinct(6)
    fingerprints[5] = fingerprints[0]
    fingerprints[5, :20] ^= True
    bursts = find_bursts([f"{index}.jpg" for index in range(6)], fingerprints)
    assert bursts[5] == bursts[0]
    assert len(set(bursts.tolist())) == 5


def test_neighbours_in_a_recording_may_differ_more() -> None:
    fingerprints = distinct(6)
    for place, bits in ((1, slice(0, 40)), (4, slice(100, 140))):
        fingerprints[place] = fingerprints[0]
        fingerprints[place, bits] ^= True
    bursts = find_bursts([f"{index}.jpg" for index in range(6)], fingerprints)
    assert bursts[1] == bursts[0]
    assert bursts[4] != bursts[0]


def test_the_same_names_give_the_same_split_in_another_process_too() -> None:
    names = bursts("a", [3] * 12)
    split = split_pictures(names, np.zeros(36, np.int64), ["a"], distinct(36))
    again = split_pictures(names, np.zeros(36, np.int64), ["a"], distinct(36))
    for one, other in zip(split.parts().values(), again.parts().values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert split.test.tolist() == [21, 22, 23, 30, 31, 32]


def test_without_a_test_part_training_takes_its_share() -> None:
    names = bursts("a", [5] * 20)
    split = split_pictures(names, np.zeros(100, np.int64), ["a"], distinct(100), hold_test=False)
    assert (len(split.training), len(split.validation), len(split.test)) == (80, 20, 0)


def test_of_two_recordings_one_measures_and_nothing_else() -> None:
    names = bursts("a", [40, 40]) + bursts("b", [20, 60]) + bursts("c", [20] * 4)
    labels = np.repeat([0, 1, 2], 80)
    split = split_pictures(names, labels, ["a", "b", "c"], distinct(240))
    assert split.cut_labels == ()
    assert split.validation_cut_labels == ("a", "b")
    assert split.independent_labels(["a", "b", "c"]).tolist() == [False, False, True]
    parts = {part: indices.tolist() for part, indices in split.parts().items()}
    assert [index for index in parts["training"] if index < 80] == list(range(30))
    assert [index for index in parts["validation"] if index < 80] == list(range(30, 40))
    assert [index for index in parts["test"] if index < 80] == list(range(40, 80))
    # The larger one is learnt from.
    assert [index for index in parts["test"] if 80 <= index < 160] == list(range(80, 100))
    assert not set(split.bursts[split.learnt].tolist()) & set(split.bursts[split.test].tolist())
    said = describe_split(split, labels, ["a", "b", "c"])
    assert "too few bursts of a, b" in said
    elsewhere = split_pictures(names, labels, ["a", "b", "c"], distinct(240), hold_test=False)
    assert elsewhere.validation_cut_labels == ()
    assert elsewhere.independent_labels(("a", "b")).all()


def test_a_part_held_back_from_one_recording_is_said_to_be_cut() -> None:
    names = [f"test/{name}" for name in bursts("a", [10])]
    names += [f"train/{name}" for name in bursts("a", [40])]
    parts = np.repeat([2, 0], [10, 40])
    split = split_as_predefined(names, np.zeros(50, np.int64), ["a"], distinct(50), parts)
    assert split.test.tolist() == list(range(10))
    assert split.validation_cut_labels == ("a",)
    assert split.independent_labels(("a", "b")).tolist() == [False, True]
    assert split.cut_labels == ()


def test_snapshots_are_cut_in_time_where_their_numbers_grow_longer() -> None:
    names = [f"a/20260101T000000x00000a-{burst}-0001.jpg" for burst in (998, 999, 1000, 1001)]
    later = "20260201T000000x00000b"
    names += [f"a/{later}-001-{index:04}.jpg" for index in (9999, 10000, 10001, 10002)]
    fingerprints = np.repeat(distinct(1), 8, axis=0)  # all look the same: one recording
    split = split_pictures(sorted(names), np.zeros(8, np.int64), ["a"], fingerprints)
    parts = {
        part: {sorted(names)[index] for index in indices} for part, indices in split.parts().items()
    }
    assert parts["training"] == set(names[:5])
    assert parts["test"] == set(names[6:])


def test_folds_are_whole_recordings_and_pieces_of_an_only_one() -> None:
    names = bursts("a", [50]) + bursts("b", [10] * 5) + bursts("c", [3, 40]) + bursts("e", [2])
    labels = np.repeat([0, 1, 2, 4], [50, 50, 43, 2])
    numbers, cut, are_named = burst_folds(names, labels, list("abcde"), distinct(145))
    assert (cut, are_named) == (("a", "c", "e"), True)
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers)) + 1)
    assert [len(run) for run in runs] == [10] * 5 + [10] * 5 + [3] + [8] * 5 + [1, 1]
    assert len(set(numbers.tolist())) == len(runs)


@st.composite
def data_sets(
    draw: st.DrawFn,
) -> tuple[list[str], NDArray[np.int64], list[str], NDArray[np.bool_]]:
    """Labels with few or many recordings, some by name, some by their looks, in any order."""
    labels = ["a", "b", "c"][: draw(st.integers(1, 3))]
    names: list[str] = []
    looks: list[int] = []
    for label in labels:
        own = bursts(label, draw(st.lists(st.integers(1, 12), min_size=0, max_size=6)))
        foreign = draw(st.lists(st.integers(0, 3), min_size=0, max_size=6))
        names += own + [f"{label}/photo {place}.jpg" for place in range(len(foreign))]
        looks += [100 + len(looks) + place for place in range(len(own))] + foreign
    order = draw(st.permutations(range(len(names))))
    scenes = distinct(400)
    return (
        [names[place] for place in order],
        np.array([labels.index(names[place][0]) for place in order], dtype=np.int64),
        labels,
        np.array([scenes[looks[place]] for place in order], dtype=np.bool_).reshape(-1, 256),
    )


def parts_by_name(split: Split, names: list[str]) -> dict[str, str]:
    return {names[index]: part for part, indices in split.parts().items() for index in indices}


@settings(deadline=None, max_examples=150, database=None)
@given(data_sets(), st.booleans(), st.sampled_from([(0.6, 0.2, 0.2), (0.5, 0.25, 0.25)]))
def test_whatever_was_recorded_no_recording_is_on_two_sides(
    data: tuple[list[str], NDArray[np.int64], list[str], NDArray[np.bool_]],
    hold_test: bool,
    shares: tuple[float, float, float],
) -> None:
    names, label_indices, labels, fingerprints = data
    split = split_pictures(names, label_indices, labels, fingerprints, hold_test, shares)
    everywhere = np.concatenate(list(split.parts().values()))
    assert sorted(everywhere.tolist()) == list(range(len(names)))
    assert hold_test or not split.test.size

    part_of = parts_by_name(split, names)
    for number, label in enumerate(labels):
        members = np.flatnonzero(label_indices == number)
        own = find_bursts([names[index] for index in members], fingerprints[members])
        for numbers in (split.bursts[members], own if label not in split.cut_labels else None):
            if numbers is None:
                continue
            for burst in set(numbers.tolist()):
                sides = {part_of[names[index]] for index in members[numbers == burst]}
                if label in split.validation_cut_labels:
                    assert sides in ({"training", "validation"}, {"training"}, {"test"})
                else:
                    assert len(sides) == 1
        sizes = [np.isin(indices, members).sum() for indices in split.parts().values()]
        assert sizes[0] or not members.size
        assert sizes[2] or not hold_test or len(members) < 2


@settings(deadline=None, max_examples=100, database=None)
@given(data_sets(), st.randoms(use_true_random=False))
def test_the_order_of_the_pictures_does_not_matter(
    data: tuple[list[str], NDArray[np.int64], list[str], NDArray[np.bool_]],
    random: Random,
) -> None:
    names, label_indices, labels, fingerprints = data
    split = split_pictures(names, label_indices, labels, fingerprints)
    other = list(range(len(names)))
    random.shuffle(other)
    again = split_pictures(
        [names[index] for index in other], label_indices[other], labels, fingerprints[other]
    )
    assert parts_by_name(split, names) == parts_by_name(again, [names[index] for index in other])
    np.testing.assert_array_equal(split.bursts[other], again.bursts)
    assert split.cut_labels == again.cut_labels


def test_frames_of_a_webcam_recording_are_found_to_belong_together(shared_data: Path) -> None:
    rooms = load_labelled_pictures(shared_data / "rock_paper_scissors" / "person_2", 224)
    people = load_labelled_pictures(shared_data / "thumbs" / "person_1", 224)
    consecutive = find_bursts(rooms.names[:100], rooms.fingerprints[:100])
    posed = find_bursts(people.names[:80], people.fingerprints[:80])
    assert len(set(consecutive.tolist())) < 30  # frames of a few takes
    assert len(set(posed.tolist())) > 60  # single pictures, each from another place
