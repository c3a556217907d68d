"""Folders with a predefined split."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.coloured_pictures import write_coloured_pictures
from webcam_classifier.dataset.describe_split import describe_split
from webcam_classifier.dataset.duplicates import Leak, describe_leaks
from webcam_classifier.dataset.facts import split_data_set
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.labelled_pictures import (
    check_enough,
    load_labelled_pictures,
    own_test_part,
)
from webcam_classifier.dataset.predefined_split import (
    TEST_PART,
    TRAINING_PART,
    VALIDATION_PART,
    find_parts,
)
from webcam_classifier.dataset.split import Split
from webcam_classifier.errors import UserError

NUMBERS = {"1": (220, 40, 40), "2": (40, 40, 220), "10": (40, 200, 40)}


def write_parts(folder: Path, **counts: int) -> Path:
    for seed, (part, count) in enumerate(counts.items()):
        write_coloured_pictures(folder / part, count, NUMBERS, seed)
    return folder


def names_of(split: Split, names: tuple[str, ...]) -> dict[str, set[str]]:
    return {
        part: {names[index].split("/")[0] for index in indices}
        for part, indices in split.parts().items()
    }


@pytest.mark.parametrize("folders", [("train", "valid", "test"), ("Training", "val", "testing")])
def test_three_parts_are_used_as_they_are(tmp_path: Path, folders: tuple[str, str, str]) -> None:
    counts = dict(zip(folders, (8, 3, 4), strict=True))
    pictures = load_labelled_pictures(write_parts(tmp_path / "data", **counts), 32)
    assert pictures.labels == ("1", "10", "2")
    split, _ = split_data_set(pictures)
    assert names_of(split, pictures.names) == {
        "training": {folders[0]}, "validation": {folders[1]}, "test": {folders[2]},
    }  # fmt: skip
    assert [len(part) for part in split.parts().values()] == [24, 9, 12]
    assert split.given == ("training", "validation", "test")
    said = describe_split(split, pictures.label_indices, pictures.labels)
    assert "has a predefined split" in said
    assert "note:" not in said


def test_without_a_validation_part_one_is_held_back_from_training(tmp_path: Path) -> None:
    pictures = load_labelled_pictures(write_parts(tmp_path / "data", train=10, test=5), 32)
    split, _ = split_data_set(pictures)
    assert names_of(split, pictures.names) == {
        "training": {"train"}, "validation": {"train"}, "test": {"test"},
    }  # fmt: skip
    assert len(split.test) == 15
    assert set(pictures.label_indices[split.validation].tolist()) == {0, 1, 2}
    assert sum(len(part) for part in split.parts().values()) == len(pictures)


def test_what_chooses_does_not_measure_where_there_is_no_test_part(tmp_path: Path) -> None:
    pictures = load_labelled_pictures(write_parts(tmp_path / "data", train=10, valid=5), 32)
    split, _ = split_data_set(pictures)
    assert names_of(split, pictures.names) == {
        "training": {"train"}, "validation": {"train"}, "test": {"valid"},
    }  # fmt: skip
    said = describe_split(split, pictures.label_indices, pictures.labels)
    assert "its validation pictures are tested on instead" in said


def test_with_a_test_set_from_elsewhere_all_parts_are_learnt_from(tmp_path: Path) -> None:
    pictures = load_labelled_pictures(write_parts(tmp_path / "data", train=8, valid=3, test=4), 32)
    split, _ = split_data_set(pictures, hold_test=False)
    assert len(split.test) == 0
    assert names_of(split, pictures.names)["training"] == {"train", "test"}


def test_a_test_part_without_labels_is_listed_and_not_used(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "data", train=10)
    (folder / "test").mkdir()
    shutil.copy(folder / "train/1/000.jpg", folder / "test/000.jpg")
    pictures = load_labelled_pictures(folder, 32)
    split, _ = split_data_set(pictures)
    assert names_of(split, pictures.names)["test"] == {"train"}
    assert [file.path.name for file in pictures.skipped] == ["test"]


def test_labels_that_are_called_like_parts_are_labels(tmp_path: Path) -> None:
    write_coloured_pictures(tmp_path, 5, {"train": (220, 40, 40), "test": (40, 40, 220)})
    assert find_parts(tmp_path) == {}
    assert load_labelled_pictures(tmp_path, 32).labels == ("test", "train")


def test_a_train_folder_alone_is_a_label(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "data", train=5)
    write_coloured_pictures(folder, 5, {"bus": (40, 40, 220)})
    assert load_labelled_pictures(folder, 32).labels == ("bus", "train")


def test_two_folders_for_one_part_are_refused(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "data", train=5, val=5, valid=5)
    with pytest.raises(UserError, match="both val/ and valid/"):
        find_parts(folder)


def test_parts_are_found_whatever_else_lies_beside_them(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "data", train=5, valid=5, test=5)
    (folder / "checkpoints").mkdir()
    (folder / "category_names.json").write_text(json.dumps({"1": "rose"}))
    assert set(find_parts(folder)) == {TRAINING_PART, VALIDATION_PART, TEST_PART}
    pictures = load_labelled_pictures(folder, 32)
    assert [file.path.name for file in pictures.skipped] == ["checkpoints"]
    assert pictures.category_names == {"1": "rose"}


def test_a_label_that_training_lacks_is_refused(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "data", train=6, test=5)
    shutil.rmtree(folder / "train" / "10")
    dataset = Dataset(folder)
    dataset.refresh()
    with pytest.raises(UserError, match="train '10' has 0"):
        check_enough(dataset)


def test_the_test_part_is_what_a_model_is_asked_about(tmp_path: Path) -> None:
    pictures = load_labelled_pictures(write_parts(tmp_path / "data", train=8, test=4), 32)
    asked = own_test_part(pictures)
    assert {name.split("/")[0] for name in asked.names} == {"test"}
    assert np.array_equal(np.bincount(asked.label_indices), [4, 4, 4])


def test_copies_on_both_sides_are_counted(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "data", train=8, valid=5, test=5)
    for number in range(3):
        shutil.copy(folder / f"train/1/00{number}.jpg", folder / f"test/1/copy{number}.jpg")
    shutil.copy(folder / "train/2/000.jpg", folder / "valid/2/copy.jpg")
    pictures = load_labelled_pictures(folder, 64)
    split, facts = split_data_set(pictures)
    found = {(leak.part, leak.learnt): (leak.identical, leak.count) for leak in facts.leaks}
    assert found == {("validation", "training"): (1, 16), ("test", "training"): (3, 18)}
    assert split.leaked == 3
    told = "\n".join(facts.describe(pictures))
    assert "of the 18 test pictures, 3 are in the training part too" in told
    assert "of the 16 validation pictures, 1 is in the training part too" in told


def test_near_duplicates_of_another_part_are_said_without_identical_ones() -> None:
    (alone,) = describe_leaks([Leak("test", "training", identical=0, near=11, count=240)])
    assert "240 test pictures, 11 are near duplicates of pictures in the training part." in alone
    (both,) = describe_leaks([Leak("test", "validation", identical=2, near=1, count=9)])
    assert "2 are in the validation part too, and 1 is a near duplicate of a picture there" in both
