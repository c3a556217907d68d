"""Pictures that are read when they are wanted, and files that are read a few ahead."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from webcam_classifier.dataset.picture_files import PictureError, encode_snapshot, read_picture
from webcam_classifier.dataset.picture_images import ImageMemory, PictureImages
from webcam_classifier.dataset.reading import read_ahead
from webcam_classifier.errors import UserError
from webcam_classifier.preprocess import shrink

SIDE = 48
BYTES = SIDE * SIDE * 3
"""Of a picture, decoded."""

Outcome = tuple[int, int | PictureError | OSError]


def write_pictures(folder: Path, count: int) -> list[Path]:
    generator = np.random.default_rng(0)
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for path in paths:
        image = generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        path.write_bytes(encode_snapshot(image))
    return paths


def kept(memory: ImageMemory, paths: Sequence[Path]) -> list[bool]:
    return [memory.get(path) is not None for path in paths]


def test_each_picture_is_that_of_its_file(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 4)
    images = PictureImages(paths, 16, ImageMemory())
    assert len(images) == 4
    for _ in range(2):  # read, and then from memory
        for image, path in zip(images, paths, strict=True):
            np.testing.assert_array_equal(image, shrink(read_picture(path), 16))
    np.testing.assert_array_equal(images[-1], images[3])
    np.testing.assert_array_equal(images[1:3][1], images[2])
    np.testing.assert_array_equal(images.at([3, 0])[0], images[3])
    with pytest.raises(IndexError):
        images[4]


def test_the_first_pictures_are_kept_as_far_as_the_budget_reaches(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 5)
    memory = ImageMemory(2 * BYTES + 100)
    images = PictureImages(paths, 4096, memory)
    for _ in range(2):
        for image in images:
            assert image.nbytes == BYTES
        assert kept(memory, paths) == [True, True, False, False, False]
    assert images[0] is images[0]
    assert images[4] is not images[4]


def test_a_picture_that_is_kept_twice_takes_its_room_once(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 2)
    memory = ImageMemory(2 * BYTES)
    for path in (paths[0], paths[0], paths[1]):
        memory.keep(path, read_picture(path))
    assert kept(memory, paths) == [True, True]


def test_threads_that_keep_at_once_stay_within_the_budget(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 40)
    memory = ImageMemory(10 * BYTES)
    images = PictureImages(paths, 4096, memory)
    threads = [
        threading.Thread(target=lambda start=start: [images[place] for place in range(start, 40)])
        for start in (0, 7, 19, 31)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(kept(memory, paths)) == 10


def test_a_picture_that_is_not_kept_is_read_again(tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path, 1)
    images = PictureImages([path], 4096, ImageMemory(0))
    first = images[0]
    path.write_bytes(encode_snapshot(np.zeros((SIDE, SIDE, 3), dtype=np.uint8)))
    assert first.any()
    assert not images[0].any()


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_file_that_is_gone_or_damaged_by_now_is_told(
    tmp_path: Path, content: bytes | None
) -> None:
    paths = write_pictures(tmp_path, 2)
    images = PictureImages(paths, 32, ImageMemory())
    first = images[0]
    for path in paths:
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    assert images[0] is first
    with pytest.raises(UserError, match=r"1\.jpg could be read a moment ago.*start again"):
        images[1]


def test_another_process_gets_names_and_no_pictures(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 6)
    memory = ImageMemory(3 * BYTES)
    images = PictureImages(paths, 4096, memory)
    expected = list(images)
    sent = pickle.dumps(images)
    assert len(sent) < BYTES / 2
    received = pickle.loads(sent)
    for own, other in zip(expected, received, strict=True):
        np.testing.assert_array_equal(own, other)
    sent_memory = pickle.loads(pickle.dumps(memory))
    assert kept(sent_memory, paths) == [False] * 6
    for path, image in zip(paths, expected, strict=True):
        sent_memory.keep(path, image)
    assert sum(kept(sent_memory, paths)) == 3, "with the same budget"


def slow_square(number: int) -> int:
    """Later ones are done sooner; two of them fail."""
    time.sleep(0.002 * (number % 7 == 0))
    if number == 5:
        raise PictureError("no picture")
    if number == 11:
        raise FileNotFoundError(2, "No such file or directory")
    return number * number


@pytest.mark.parametrize("workers", [None, 0, 1, 3])
def test_what_is_read_comes_in_order_with_errors_in_their_places(workers: int | None) -> None:
    found: list[Outcome] = list(read_ahead(range(30), slow_square, workers))
    assert [item for item, _ in found] == list(range(30))
    for item, result in found:
        if item == 5:
            assert isinstance(result, PictureError)
        elif item == 11:
            assert isinstance(result, FileNotFoundError)
        else:
            assert result == item * item


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_nobodys_fault_but_ours_is_raised(workers: int) -> None:
    def read(number: int) -> int:
        return 1 // (3 - number)

    reading = read_ahead(range(9), read, workers)
    assert [next(reading)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        list(reading)


@pytest.mark.parametrize(("workers", "ahead"), [(0, 0), (1, 3), (2, 5)])
def test_no_more_than_a_few_are_read_ahead(workers: int, ahead: int) -> None:
    begun: list[int] = []

    def read(number: int) -> int:
        begun.append(number)
        return number

    for taken, _ in enumerate(read_ahead(range(100), read, workers), 1):
        time.sleep(0.001)  # time enough to read many
        assert len(begun) <= taken + ahead
    assert sorted(begun) == list(range(100))


def test_reading_that_is_broken_off_ends(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, 20)
    before = threading.active_count()
    reading = read_ahead(paths, read_picture, 2)
    next(reading)
    assert threading.active_count() > before
    reading.close()  # type: ignore[attr-defined]  # it is a generator
    assert threading.active_count() == before
