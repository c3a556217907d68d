"""Pictures that are read on demand, and cached within a memory budget."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from webcam_classifier.crop import Crop, cropped
from webcam_classifier.dataset.picture_files import PictureError, read_picture
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import shrink

MEMORY_BUDGET = 256_000_000
"""Bytes of pictures that are kept: some 1,500 at 224 pixels, so that fine-tuning a small data set
reads each file once. What does not fit is read again, epoch after epoch."""


class ImageMemory:
    """Keeps pictures until the budget is used up; any thread may use it.

    The first ones stay: with repeated passes over all pictures, a cache that drops the oldest would
    never have a hit.

    Args:
        budget: Bytes.
    """

    def __init__(self, budget: int = MEMORY_BUDGET) -> None:
        self._budget = budget
        self._left = budget
        self._lock = threading.Lock()
        self._images: dict[Path, BgrImage] = {}

    def __reduce__(self) -> tuple[type[ImageMemory], tuple[int]]:
        """Another process begins with nothing in memory."""
        return ImageMemory, (self._budget,)

    def get(self, path: Path) -> BgrImage | None:
        """The picture of a file, where it is kept."""
        return self._images.get(path)

    def keep(self, path: Path, image: BgrImage) -> None:
        """Keep a picture where there is room for it."""
        with self._lock:
            if path not in self._images and image.nbytes <= self._left:
                self._left -= image.nbytes
                self._images[path] = image


class PictureImages(Sequence[BgrImage]):
    """The pictures of files, in their order: (height, width, 3) uint8 each, cropped and shrunken.

    Args:
        paths: The files, which were readable when they were indexed.
        size: The side of the square that the pictures are going to be, in pixels.
        memory: Shared by all that read these files at this size, and this part of them.
        crop: The part of each that is looked at; None is all of it.
    """

    def __init__(
        self, paths: Sequence[Path], size: int, memory: ImageMemory, crop: Crop | None = None
    ) -> None:
        self._paths = tuple(paths)
        self._size = size
        self._memory = memory
        self._crop = crop

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, place: int) -> BgrImage: ...

    @overload
    def __getitem__(self, place: slice) -> PictureImages: ...

    def __getitem__(self, place: int | slice) -> BgrImage | PictureImages:
        """Read a picture, or take some of them.

        Raises:
            UserError: The file is gone or damaged by now.
        """
        if isinstance(place, slice):
            return PictureImages(self._paths[place], self._size, self._memory, self._crop)
        path = self._paths[place]
        image = self._memory.get(path)
        if image is None:
            try:
                image = read_picture(path)
            except PictureError as error:
                raise UserError(
                    f"{path} could be read a moment ago, and now it can't: {error}. Don't "
                    "change the pictures during training, and start again."
                ) from error
            # A copy: a view would keep all of the picture in memory.
            image = shrink(np.ascontiguousarray(cropped(image, self._crop)), self._size)
            self._memory.keep(path, image)
        return image

    def __reduce__(
        self,
    ) -> tuple[type[PictureImages], tuple[tuple[Path, ...], int, ImageMemory, Crop | None]]:
        """To another process go the files' names, not the pictures in this one's memory."""
        return PictureImages, (self._paths, self._size, ImageMemory(), self._crop)

    def at(self, places: Sequence[int]) -> PictureImages:
        """Some of the pictures, by their places."""
        paths = [self._paths[place] for place in places]
        return PictureImages(paths, self._size, self._memory, self._crop)
