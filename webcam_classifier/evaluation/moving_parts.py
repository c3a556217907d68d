"""Hide what moves within a burst, so that only the background is left.

A fixed camera sees the same room in all pictures of a burst, except where a moving object is. An
object that stands still can't be told from the room.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Parts = NDArray[np.bool_]
"""(pictures, side, side): for each picture, where it differs from the others."""

_COMPARED = 16  # pictures of the burst that each is compared with
_OFTEN = 0.2  # share of them that it must differ from at a place
_CAMERA_MOVED = 6.0  # brightness levels that most places differ by, from one picture to another
_DARK = 8.0  # brightness levels, added so that black divides nothing
_SMALLEST_STEP = 10.0  # brightness levels; less is noise, or a shadow
_STEP_OF_NOISE = 3.0  # what is different enough, in multiples of what most places differ by
_SMALLEST_PART = 0.01  # share of the picture
_TINY = 1e-6  # so that nothing is divided by 0
_KNOWN = 0.1  # share of what is around a place that must be known for it to get their colour


def moving_parts(small: NDArray[np.uint8], asked: NDArray[np.int64]) -> Parts:
    """Find what moves within one burst, generously: its outline and everything inside.

    Two pictures of a moving object differ at least at its edges. So each part is extended to its
    convex hull, and one pixel further. A pixel counts if a picture differs there from a fifth of
    the burst: places that the object has left show the room in most of the others.

    Args:
        small: (pictures, side, side, 3) uint8, those of one burst, small enough to be free of
            noise, such as `LabelledPictures.small`.
        asked: Which of them are looked at, int64.

    Returns:
        (asked, side, side) bool, where something moves. All False if nothing moves, or if the
        camera itself does.
    """
    places = np.linspace(0, len(small) - 1, min(len(small), _COMPARED)).round().astype(np.int64)
    others = small[np.unique(places)].astype(np.float32)
    found = np.zeros((len(asked), *small.shape[1:3]), dtype=np.bool_)
    noises = []
    for part, picture in zip(found, small[asked].astype(np.float32), strict=True):
        # A quarter of the pixels is enough for the medians.
        ratios = (picture[::2, ::2] + _DARK) / (others[:, ::2, ::2] + _DARK)
        exposures = np.median(ratios, axis=(1, 2), keepdims=True)
        differences = np.abs(picture - others * exposures).max(axis=3)
        noise = np.median(differences[:, ::2, ::2], axis=(1, 2), keepdims=True)
        steps = np.maximum(_SMALLEST_STEP, _STEP_OF_NOISE * noise)
        part[:] = _hulls((differences > steps).mean(axis=0) >= _OFTEN)
        noises.append(float(np.median(noise)))
    if not noises or np.median(noises) > _CAMERA_MOVED:
        found[:] = False
    return found


def _hulls(moved: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill each part that is not tiny up to its convex hull, one place wider, (side, side)."""
    joined = cv2.dilate(moved.astype(np.uint8), np.ones((3, 3), dtype=np.uint8))
    count, part_of = cv2.connectedComponents(joined)
    filled = np.zeros(moved.shape, dtype=np.uint8)
    for part in range(1, count):
        own = moved & (part_of == part)
        if own.sum() >= _SMALLEST_PART * own.size:
            points = cv2.findNonZero(own.astype(np.uint8))
            cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return np.asarray(cv2.dilate(filled, np.ones((3, 3), dtype=np.uint8)) > 0)


class Background:
    """The background of one burst, as far as any of its pictures shows it.

    Args:
        prepared: (pictures, size, size, 3) uint8, from `preprocess.prepare`.
        parts: Where things are in them; see `moving_parts`.

    Attributes:
        known: (size, size, 1) float32, 0 to 1: whether any picture shows what is there.
    """

    def __init__(self, prepared: NDArray[np.uint8], parts: Parts) -> None:
        self._side, size = parts.shape[1], prepared.shape[1]
        total = np.zeros((size, size, 3), dtype=np.float32)
        seen = np.zeros((size, size, 1), dtype=np.float32)
        for picture, part in zip(prepared, parts, strict=True):
            shown = 1.0 - _enlarged(part, size)
            total += picture * shown
            seen += shown
        self.known = np.asarray(np.minimum(seen, 1.0), dtype=np.float32)
        self._behind = np.asarray(total / np.maximum(seen, _TINY), dtype=np.float32)

    def instead_of(
        self, picture: NDArray[np.uint8], part: NDArray[np.bool_], known: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        """Show the background in a part of a picture.

        Args:
            picture: (size, size, 3) uint8, of the burst.
            part: (side, side) bool.
            known: Which part of the background counts as known, at most what is; elsewhere
                colours from around it are used.

        Returns:
            A new picture, (size, size, 3) uint8.
        """
        size = len(picture)
        colours = _resized(
            np.multiply(self._behind, known, dtype=np.float32), self._side, cv2.INTER_AREA
        )
        weight = _resized(known, self._side, cv2.INTER_AREA)
        spread = _resized(_spread(colours, weight), size, cv2.INTER_LINEAR)
        behind = self._behind * known + spread * (1.0 - known)
        share = _enlarged(part, size)
        return np.asarray(picture * (1.0 - share) + behind * share, dtype=np.uint8)


def _enlarged(part: NDArray[np.bool_], size: int) -> NDArray[np.float32]:
    """A part at a picture's size, (size, size, 1), with soft edges outside of it."""
    wide = _resized(part.astype(np.float32), size, cv2.INTER_LINEAR)
    return np.asarray(np.minimum(2.0 * wide, 1.0)[..., np.newaxis])


def _resized(picture: NDArray[np.float32], side: int, how: int) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), dtype=np.float32)


def _spread(picture: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill places without a colour with the nearest colours.

    It is a normalised convolution (H. Knutsson and C.-F. Westin, "Normalized and Differential
    Convolution", CVPR 1993), with wider and wider bells.

    Args:
        picture: (side, side, 3), already multiplied by its weight.
        weight: (side, side), 0 where nothing is known.
    """
    side = len(picture)
    spread = np.zeros_like(picture)
    done = np.zeros((side, side, 1), dtype=np.float32)
    deviation = 1.0
    while deviation < 2.0 * side:
        near = cv2.GaussianBlur(weight, (0, 0), deviation)[..., np.newaxis]
        colours = cv2.GaussianBlur(picture, (0, 0), deviation) / np.maximum(near, _TINY)
        taken = np.minimum(near / _KNOWN, 1.0) * (1.0 - done)
        spread += colours * taken
        done += taken
        deviation *= 2.0
    return np.asarray(spread / np.maximum(done, _TINY), dtype=np.float32)
