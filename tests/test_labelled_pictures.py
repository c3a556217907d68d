"""Finding and reading a folder of labelled pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from webcam_classifier.dataset.fingerprints import fingerprint
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.labelled_pictures import (
    check_enough,
    describe_skipped,
    load_labelled_pictures,
)
from webcam_classifier.dataset.picture_files import encode_snapshot, read_picture
from webcam_classifier.dataset.reading import read_pictures
from webcam_classifier.errors import UserError
from webcam_classifier.preprocess import prepare


def fill(folder: Path, count: int, seed: int = 0, width: int = 64) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    for index in range(count):
        image = generator.integers(0, 256, (48, width, 3), dtype=np.uint8)
        (folder / f"{index:03}.jpg").write_bytes(encode_snapshot(image))


def indexed(folder: Path) -> Dataset:
    """A data set whose files were read."""
    dataset = Dataset(folder)
    dataset.refresh()
    for _ in read_pictures(dataset, 32):
        pass
    return dataset


def test_pictures_are_found_in_order_with_their_labels(tmp_path: Path) -> None:
    fill(tmp_path / "b", 2)
    fill(tmp_path / "a" / "deeper", 3)
    found = load_labelled_pictures(tmp_path, 32)
    assert found.labels == ("a", "b")
    assert found.names[:3] == ("a/deeper/000.jpg", "a/deeper/001.jpg", "a/deeper/002.jpg")
    assert found.names[3:] == ("b/000.jpg", "b/001.jpg")
    assert found.label_indices.tolist() == [0, 0, 0, 1, 1]
    assert found.counts() == {"a": 3, "b": 2}


def test_a_kept_picture_is_prepared_like_its_file(tmp_path: Path) -> None:
    fill(tmp_path / "a", 1, width=640)
    found = load_labelled_pictures(tmp_path, 16)
    whole = read_picture(tmp_path / "a" / "000.jpg")
    np.testing.assert_array_equal(prepare(found.images[0], 16), prepare(whole, 16))
    assert found.images[0].size < whole.size


def test_what_can_not_be_used_is_listed_counted_and_left(tmp_path: Path) -> None:
    fill(tmp_path / "a", 2)
    fill(tmp_path / "b", 2)
    (tmp_path / "a" / "empty.jpg").touch()
    (tmp_path / "a" / "notes.txt").write_text("hello")
    (tmp_path / "b" / "fake.png").write_text("hello")
    (tmp_path / "stray.jpg").write_bytes((tmp_path / "a" / "000.jpg").read_bytes())
    (tmp_path / "README.md").write_text("about this data set")
    (tmp_path / "b" / ".hidden.jpg.partial").touch()
    found = load_labelled_pictures(tmp_path, 32)
    reasons = {file.path.name: file.reason for file in found.skipped}
    assert set(reasons) == {"empty.jpg", "notes.txt", "fake.png", "stray.jpg"}
    assert "empty" in reasons["empty.jpg"]
    assert len(found) == 4
    said = describe_skipped(found.skipped, most=3)
    assert "skipped 4 files" in said
    assert "1 more" in said
    assert (tmp_path / "a" / "empty.jpg").exists()


def test_the_data_hash_tells_data_sets_apart(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        fill(tmp_path / name / "a", 2, seed)
    one, same, other = (
        load_labelled_pictures(tmp_path / name, 32).data_hash for name in ("one", "same", "other")
    )
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "no label"),
        ({"a": 9}, "only the label 'a'"),
        ({"a": 9, "b": 0}, "'b' has 0"),
        ({"a": 9, "b": 4}, "'b' has 4"),
    ],
)
def test_too_little_to_learn_from_is_refused(
    tmp_path: Path, counts: dict[str, int], message: str
) -> None:
    for label, count in counts.items():
        fill(tmp_path / label, count)
    with pytest.raises(UserError, match=message):
        check_enough(indexed(tmp_path))


def test_a_data_set_of_empty_files_is_refused(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for index in range(9):
            (tmp_path / label / f"{index}.jpg").touch()
    found = indexed(tmp_path)
    assert len(found.skipped) == 18
    with pytest.raises(UserError, match="'a' has 0, 'b' has 0"):
        check_enough(found)


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        load_labelled_pictures(tmp_path / "dataset", 32)


def test_a_fingerprint_survives_a_smaller_worse_copy(shared_data: Path) -> None:
    path = shared_data / "thumbs" / "person_1" / "thumbs_up" / "000.jpg"
    other = shared_data / "thumbs" / "person_1" / "thumbs_up" / "001.jpg"
    image = read_picture(path)
    copy = prepare(image, 160)
    assert (fingerprint(image) != fingerprint(copy)).sum() <= 24
    assert (fingerprint(image) != fingerprint(read_picture(other))).sum() > 48
