"""Segment the foreground of each picture, with the help of pictures of the empty room."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.frame import BgrImage

Mask = NDArray[np.uint8]

_SIDE = 96  # pixels of a mask: hands are large, and noise averages out
_EMPTY_COUNT = 10  # pictures of the room alone that each picture is compared with
_NEAREST = 3  # of them that count: those in which the light and the camera were the same
_FEWEST_EMPTY = 4
_SAME_ROOM = 4.0  # brightness levels that pictures of one room alone differ by, in most places
_SAME_VIEW = 6.0  # the same for a picture with something in it
_DARK = 8.0  # brightness levels, added so that black divides nothing
_SMALLEST_STEP = 10.0  # brightness levels; less is noise, or a shadow
_STEP_OF_NOISE = 3.0  # what is different enough, in multiples of what most places differ by
_SMALLEST, _LARGEST = 0.04, 0.6  # share of the picture that something held into it covers
_LARGEST_IN_EMPTY = 0.3
_SHARE_FOUND = 0.5  # of each label's pictures


def find_foregrounds(
    images: Sequence[BgrImage], label_indices: NDArray[np.int64], empty: Sequence[int]
) -> tuple[Mask | None, ...]:
    """Find what is in each picture and not in the pictures of the empty room.

    Nothing is found, for any picture, unless the camera was fixed: the pictures of the empty room
    are alike, and most pictures of every other label match them except in one part. If foregrounds
    were found for one label only, the augmentation itself would reveal the label.

    Args:
        images: Each (height, width, 3) uint8.
        label_indices: (images,) what each shows.
        empty: The labels whose pictures show the room alone, from `empty_labels`.

    Returns:
        For each picture None, or (side, side) uint8: 255 in front, 0 the room, with soft edges.
    """
    nothing: tuple[Mask | None, ...] = (None,) * len(images)
    is_empty = np.isin(label_indices, empty)
    rooms = np.flatnonzero(is_empty)
    if rooms.size < _FEWEST_EMPTY:
        return nothing
    rooms = rooms[np.unique(np.linspace(0, rooms.size - 1, _EMPTY_COUNT).astype(np.int64))]
    known = np.stack([_small(images[room]) for room in rooms.tolist()])
    alike = [_difference(known[k], np.delete(known, k, axis=0)) for k in range(len(known))]
    if np.median(alike) > _SAME_ROOM:
        return nothing
    found = []
    for place, image in enumerate(images):
        difference = _difference(_small(image), known[rooms != place])
        found.append(_mask(difference, bool(is_empty[place])))
    has_mask = np.array([mask is not None for mask in found])
    shares = [has_mask[label_indices == label].mean() for label in np.unique(label_indices)]
    return tuple(found) if min(shares) >= _SHARE_FOUND else nothing


def _small(image: BgrImage) -> NDArray[np.float32]:
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.2), dtype=np.float32)


def _difference(picture: NDArray[np.float32], rooms: NDArray[np.float32]) -> NDArray[np.float32]:
    """The difference of a picture from the nearest rooms, (side, side), whatever the exposure."""
    # A ninth of the pixels is enough to find the nearest ones.
    sparse, sparse_rooms = picture[::3, ::3], rooms[:, ::3, ::3]
    ratios = (sparse + _DARK) / (sparse_rooms + _DARK)
    exposures = np.median(ratios, axis=(1, 2), keepdims=True)
    distances = np.abs(sparse - sparse_rooms * exposures).max(axis=3)
    nearest = np.argsort(np.median(distances, axis=(1, 2)))[:_NEAREST]
    differences = np.abs(picture - rooms[nearest] * exposures[nearest]).max(axis=3)
    return np.asarray(differences.mean(axis=0), dtype=np.float32)


def _mask(difference: NDArray[np.float32], is_empty: bool) -> Mask | None:
    """Where the difference is large, or None if that is not a plausible object."""
    noise = float(np.median(difference))
    if noise > _SAME_VIEW:
        return None
    step = max(_SMALLEST_STEP, _STEP_OF_NOISE * noise)
    front = np.clip((difference - step) / step * 255.0, 0, 255).astype(np.uint8)
    front = np.asarray(cv2.morphologyEx(front, cv2.MORPH_CLOSE, np.ones((9, 9))), dtype=np.uint8)
    front = np.asarray(cv2.morphologyEx(front, cv2.MORPH_OPEN, np.ones((3, 3))), dtype=np.uint8)
    share = float(front.mean()) / 255.0
    if not (share < _LARGEST_IN_EMPTY if is_empty else _SMALLEST < share < _LARGEST):
        return None
    # Wide enough not to cut off the outline, which says more than what is within.
    return np.asarray(cv2.GaussianBlur(cv2.dilate(front, np.ones((3, 3))), (0, 0), 1.0), np.uint8)
