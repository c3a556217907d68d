"""Decide whether two pictures are the same, by their colours at 32 x 32 pixels.

Fingerprints only compare the brightness of neighbouring places: a red and a green lamp have the
same, and so do different things before a plain wall. Here the colours are compared, over the whole
picture and in each part of it. A global change of light is ignored, as an offset or as a factor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.fingerprints import SMALL_SIDE

# Of 255. 900 copies of webcam pictures, re-encoded at quality 40 to 90, resized to half or in other
# light, differ by 2 to 4 all over, and by at most 15 in a cell unless light is cut off; a lamp of
# 40 pixels that changes from red to green in a picture of 320 x 240 by 3 all over and 40 in a cell.
_SAME_ALL_OVER = 4.0
_SAME_IN_A_CELL = 24.0
_PLAIN = 8.0  # standard deviation of brightness; below, light is all that a picture shows
_CELLS = 8  # along each side
_TELLING = 4  # cells that are compared before all of them
_FIRST_LOOK = 16  # pictures; where many are the same, one of the first is
_NEXT_LOOK = 1024  # pictures compared at once

_Values = NDArray[np.uint8] | NDArray[np.float32]  # (pictures, cells, pixels, 3)


class PictureComparison:
    """Compares pictures by colour.

    Args:
        small: (pictures, 32, 32, 3) uint8, from `fingerprints.small_copy`.
    """

    def __init__(self, small: NDArray[np.uint8]) -> None:
        count, pixels = len(small), SMALL_SIDE // _CELLS
        by_cell = small.reshape(count, _CELLS, pixels, _CELLS, pixels, 3).swapaxes(2, 3)
        self._pixels = by_cell.reshape(count, _CELLS**2, pixels**2, 3)
        self._cells = self._pixels.mean(axis=2, keepdims=True, dtype=np.float32)
        # The cells that tell these pictures apart best, such as those of a lamp in a dark room.
        spread = self._cells.std(axis=0).mean(axis=(1, 2))
        self._telling = np.ascontiguousarray(self._cells[:, np.argsort(-spread)[:_TELLING]])
        self._light = self._cells.mean(axis=(1, 2, 3), dtype=np.float32)
        brightness = small.mean(axis=3, dtype=np.float32).reshape(count, -1)
        self._is_plain = brightness.std(axis=1) < _PLAIN

    def first_same(self, picture: int, others: NDArray[np.int64]) -> int | None:
        """Find the first of some pictures that is the same as one.

        Args:
            picture: Its index.
            others: (count,) int64, indices of those.
        """
        found = others[:_FIRST_LOOK][self.are_same(picture, others[:_FIRST_LOOK])]
        if found.size:
            return int(found[0])
        others = others[_FIRST_LOOK:]
        others = others[self._cell_differences(self._telling, picture, others) <= _SAME_IN_A_CELL]
        for start in range(0, len(others), _NEXT_LOOK):
            some = others[start : start + _NEXT_LOOK]
            found = some[self.are_same(picture, some)]
            if found.size:
                return int(found[0])
        return None

    def are_same(self, picture: int, others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which of some pictures are the same as one.

        Args:
            picture: Its index.
            others: (count,) int64, indices of those.

        Returns:
            (count,) bool.
        """
        # The means of cells never differ by more than their pixels do, and are few.
        same = np.ones(len(others), dtype=np.bool_)
        for values in (self._cells, self._pixels):
            same[same] = self._are_alike(values, picture, others[same])
        return same

    def _are_alike(
        self, values: _Values, picture: int, others: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        alike = np.zeros(len(others), dtype=np.bool_)
        for by_cell in self._differences(values, picture, others):
            all_over, most = by_cell.mean(axis=1), by_cell.max(axis=1)
            alike |= (all_over <= _SAME_ALL_OVER) & (most <= _SAME_IN_A_CELL)
        return alike

    def _cell_differences(
        self, values: _Values, picture: int, others: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The most that a cell differs, in the kind of light for which that is least."""
        by_offset, by_factor = self._differences(values, picture, others)
        return np.asarray(np.minimum(by_offset.max(axis=1), by_factor.max(axis=1)))

    def _differences(
        self, values: _Values, picture: int, others: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """How much each cell differs: with other light as an offset, and as a factor."""
        one, many = values[picture].astype(np.float32), values[others].astype(np.float32)
        is_plain = self._is_plain[others] | self._is_plain[picture]
        own_light, light = self._light[picture], self._light[others]
        brighter = np.maximum(own_light, light)
        offset = np.where(is_plain, 0, light - own_light)
        own_factor = np.where(is_plain, 1, brighter / np.maximum(own_light, 1))
        factor = np.where(is_plain, 1, brighter / np.maximum(light, 1))
        by_offset = one + _each(offset) - many
        by_factor = one * _each(own_factor) - many * _each(factor)
        return np.abs(by_offset).mean(axis=(2, 3)), np.abs(by_factor).mean(axis=(2, 3))


def _each(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values.astype(np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
