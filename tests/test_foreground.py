"""What stands before the room, found with the help of pictures of the room alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.empty_labels import empty_labels
from webcam_classifier.finetune.foreground import Mask, find_foregrounds
from webcam_classifier.frame import BgrImage

_LABELS = ("none", "paper", "rock", "scissors")


def some(folder: Path, labels: tuple[str, ...]) -> tuple[list[BgrImage], NDArray[np.int64]]:
    paths = [path for label in labels for path in sorted((folder / label).iterdir())[::12]]
    images = [np.asarray(cv2.imread(str(path)), dtype=np.uint8) for path in paths]
    return images, np.array([labels.index(path.parent.name) for path in paths])


def share(mask: Mask | None) -> float:
    assert mask is not None
    return float(mask.mean()) / 255.0


def test_labels_that_name_an_empty_room_are_known_by_their_words() -> None:
    labels = ("thumbs_up", "None", "empty room", "nonesuch", "hintergrund")
    assert empty_labels(labels) == (1, 2, 4)


def test_hands_before_a_wall_are_found_and_the_wall_is_not(shared_data: Path) -> None:
    folder = shared_data / "rock_paper_scissors" / "person_1"
    images, label_indices = some(folder, _LABELS)
    found = find_foregrounds(images, label_indices, (0,))
    assert all(share(found[place]) < 0.1 for place in np.flatnonzero(label_indices == 0))
    hands = [share(found[place]) for place in np.flatnonzero(label_indices != 0)]
    assert min(hands) > 0.08
    assert max(hands) < 0.5


def test_nothing_is_found_where_none_shows_a_person(shared_data: Path) -> None:
    labels = ("none", "thumbs_down", "thumbs_up")
    images, label_indices = some(shared_data / "thumbs" / "person_1", labels)
    assert not any(mask is not None for mask in find_foregrounds(images, label_indices, (0,)))


def test_nothing_is_found_where_the_camera_moved_between_labels(shared_data: Path) -> None:
    folder = shared_data / "rock_paper_scissors" / "person_2"
    images, label_indices = some(folder, _LABELS)
    assert not any(mask is not None for mask in find_foregrounds(images, label_indices, (0,)))


def test_nothing_is_found_without_pictures_of_the_room(shared_data: Path) -> None:
    folder = shared_data / "rock_paper_scissors" / "person_1"
    images, label_indices = some(folder, _LABELS[1:])
    assert find_foregrounds(images, label_indices, ()) == (None,) * len(images)
