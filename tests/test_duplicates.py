"""Pictures that are in a data set more than once."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest

from tests.coloured_pictures import write_coloured_pictures
from webcam_classifier.dataset.duplicates import describe_duplicates, find_duplicates
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.dataset.picture_files import read_picture


def test_a_picture_under_two_labels_is_named(tmp_path: Path) -> None:
    write_coloured_pictures(tmp_path, 6)
    shutil.copy(tmp_path / "blue/003.jpg", tmp_path / "red/zzz.jpg")
    pictures = load_labelled_pictures(tmp_path, 64)
    found = find_duplicates(pictures)
    (copy,) = found.across_labels
    assert (pictures.names[copy.first], pictures.names[copy.second]) == (
        "blue/003.jpg", "red/zzz.jpg",
    )  # fmt: skip
    assert copy.is_identical
    assert found.repeated == 0
    said = "\n".join(describe_duplicates(found, pictures))
    assert "blue/003.jpg is the same as red/zzz.jpg" in said


def test_a_resized_copy_in_other_light_is_a_near_copy(tmp_path: Path, shared_data: Path) -> None:
    shutil.copytree(shared_data / "rock_paper_scissors/person_1/rock", tmp_path / "rock")
    shutil.copytree(shared_data / "rock_paper_scissors/person_1/paper", tmp_path / "paper")
    image = read_picture(tmp_path / "rock/010.jpg")
    small = cv2.resize(image, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    brighter = cv2.convertScaleAbs(small, alpha=1.0, beta=12.0)
    assert cv2.imwrite(str(tmp_path / "paper/zzz.jpg"), brighter, [cv2.IMWRITE_JPEG_QUALITY, 70])
    pictures = load_labelled_pictures(tmp_path, 64)
    (copy,) = find_duplicates(pictures).across_labels
    assert not copy.is_identical
    assert pictures.names[copy.first] == "paper/zzz.jpg"
    assert pictures.names[copy.second].startswith("rock/0")


@pytest.mark.parametrize(
    "folder",
    ["thumbs/person_1", "rock_paper_scissors/person_1", "rock_paper_scissors/person_2"],
)
def test_different_hands_before_one_wall_are_no_copies(shared_data: Path, folder: str) -> None:
    assert find_duplicates(load_labelled_pictures(shared_data / folder, 64)).across_labels == ()


def test_repeated_files_of_a_label_are_counted(tmp_path: Path) -> None:
    write_coloured_pictures(tmp_path, 5)
    for number in range(2):
        shutil.copy(tmp_path / "blue/000.jpg", tmp_path / f"blue/copy{number}.jpg")
    pictures = load_labelled_pictures(tmp_path, 64)
    found = find_duplicates(pictures)
    assert (found.across_labels, found.repeated) == ((), 2)
    assert "2 files are the same as another" in describe_duplicates(found, pictures)[0]


def test_nothing_is_said_of_a_clean_data_set(tmp_path: Path) -> None:
    write_coloured_pictures(tmp_path, 5)
    pictures = load_labelled_pictures(tmp_path, 64)
    assert describe_duplicates(find_duplicates(pictures), pictures) == []
