"""Pictures that are in a data set more than once."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.coloured_pictures import write_coloured_pictures
from webcam_classifier.dataset.duplicates import describe_duplicates, find_duplicates
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.dataset.near_duplicates import are_near_duplicates
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


def test_a_resized_copy_in_other_light_is_a_near_duplicate(
    tmp_path: Path, shared_data: Path
) -> None:
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


@pytest.mark.parametrize(
    ("gain", "offset", "scale", "quality"),
    [(1.0, 0, 1.0, 60), (1.0, 20, 0.5, 85), (1.2, 0, 1.0, 90), (0.75, 0, 0.7, 80)],
)
def test_copies_of_webcam_pictures_in_other_light_are_found(
    tmp_path: Path, shared_data: Path, gain: float, offset: int, scale: float, quality: int
) -> None:
    sources = sorted((shared_data / "thumbs/person_1/thumbs_up").iterdir())[:120:5]
    for place, source in enumerate(sources):
        image = read_picture(source)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        changed = cv2.convertScaleAbs(small, alpha=gain, beta=offset)
        for folder, content in (("one", image), ("other", changed)):
            path = tmp_path / folder / f"{place:02}.{'png' if folder == 'one' else 'jpg'}"
            path.parent.mkdir(exist_ok=True)
            assert cv2.imwrite(str(path), content, [cv2.IMWRITE_JPEG_QUALITY, quality])
    pictures = load_labelled_pictures(tmp_path, 64)
    found = find_duplicates(pictures).across_labels
    assert all(copy.second == copy.first + len(sources) for copy in found)
    assert len(found) >= 0.9 * len(sources)


def write_lamp(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    """A room with a lamp of 3 % of the picture, as bright in each colour, and a camera's noise."""
    image = cv2.GaussianBlur(
        np.random.default_rng(7).integers(0, 256, (240, 320, 3), dtype=np.uint8), (0, 0), 9
    )
    image = cv2.normalize(image, np.zeros_like(image), 30, 200, cv2.NORM_MINMAX)
    cv2.circle(image, (160, 120), 28, colour, -1)
    noise = np.random.default_rng(seed).normal(0, 3, image.shape)
    noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), noisy)


def test_lamps_of_two_colours_are_no_copies(tmp_path: Path) -> None:
    for seed in range(12):
        write_lamp(tmp_path / "red" / f"{seed:02}.jpg", (0, 30, 230), seed)
        write_lamp(tmp_path / "green" / f"{seed:02}.jpg", (0, 130, 0), 100 + seed)
    pictures = load_labelled_pictures(tmp_path, 64)
    assert are_near_duplicates(pictures.fingerprints, pictures.fingerprints).all()
    assert find_duplicates(pictures).across_labels == ()
    write_lamp(tmp_path / "red" / "99.jpg", (0, 130, 0), 200)
    pictures = load_labelled_pictures(tmp_path, 64)
    (copy,) = find_duplicates(pictures).across_labels
    assert pictures.names[copy.second] == "red/99.jpg"


def test_a_room_with_the_light_on_and_off_is_no_copy_where_nothing_else_shows(
    tmp_path: Path,
) -> None:
    for label, grey in (("off", 12), ("on", 200)):
        for seed in range(6):
            noise = np.random.default_rng(seed).integers(-2, 3, (48, 64, 3))
            (tmp_path / label).mkdir(exist_ok=True)
            image = (grey + noise).astype(np.uint8)
            assert cv2.imwrite(str(tmp_path / label / f"{seed}.png"), image)
    assert find_duplicates(load_labelled_pictures(tmp_path, 64)).across_labels == ()


@pytest.mark.slow
@pytest.mark.parametrize("equal_files", [1, 4])
def test_thousands_of_black_pictures_are_paired_in_a_moment(
    tmp_path: Path, equal_files: int
) -> None:
    write_coloured_pictures(tmp_path, 1, {"a": (0, 0, 0), "b": (0, 0, 0)})
    one = load_labelled_pictures(tmp_path, 64)
    count = 6000
    many = dataclasses.replace(
        one,
        names=tuple(f"{'ab'[place % 2]}/{place:05}.jpg" for place in range(count)),
        label_indices=np.arange(count) % 2,
        fingerprints=np.zeros((count, 256), dtype=np.bool_),
        small=np.zeros((count, 32, 32, 3), dtype=np.uint8),
        content_hashes=tuple(str(place // equal_files) for place in range(count)),
    )
    started = time.perf_counter()
    found = find_duplicates(many)
    assert time.perf_counter() - started < 20.0  # 1 s where nothing else runs
    assert len(found.across_labels) == count // 2
    assert {copy.is_identical for copy in found.across_labels} == {equal_files > 1}


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
