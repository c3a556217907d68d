"""Decode picture files in parallel into what the index keeps of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.crop import Crop, cropped
from webcam_classifier.dataset.fingerprints import fingerprint, small_copy
from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.picture_files import PictureError, decode_with_size
from webcam_classifier.dataset.picture_images import ImageMemory
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import shrink
from webcam_classifier.worker_threads import run_ahead

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_READERS = 8  # threads


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """A picture, and what it is compared with others by.

    Attributes:
        image: (height, width, 3) uint8, the part that is looked at, shrunken.
        fingerprint: (256,) bool, of that part: the same at every input size.
        small: (32, 32, 3) uint8, likewise.
        size: Width and height of the whole picture in the file, in pixels.
    """

    image: BgrImage
    fingerprint: NDArray[np.bool_]
    small: NDArray[np.uint8]
    size: tuple[int, int]


def decode(content: bytes, size: int, crop: Crop | None = None) -> DecodedPicture:
    """Decode a file's content.

    Args:
        content: Of a picture file.
        size: The side of the square that the picture is going to be, in pixels.
        crop: The part that is looked at; None is all of it.

    Raises:
        PictureError: It is no picture that can be read.
    """
    whole, size_in_file = decode_with_size(content)
    image = np.ascontiguousarray(cropped(whole, crop))
    return DecodedPicture(shrink(image, size), fingerprint(image), small_copy(image), size_in_file)


def read_ahead(
    items: Iterable[Item], read: Callable[[Item], Result], workers: int | None = None
) -> Iterator[tuple[Item, Result | PictureError | OSError]]:
    """Read items in threads, a few ahead of the consumer, in their order.

    Args:
        items: What to read.
        read: Called in a thread for each.
        workers: How many threads; 0 reads in the caller's own, nothing ahead. None takes one for
            each processor.

    Yields:
        Each item with what was read, or with the error that kept it from being read.
    """
    count = min(_MOST_READERS, os.cpu_count() or 1) if workers is None else workers
    for item, outcome in run_ahead(read, items, count):
        yield _outcome(item, outcome)


def read_pictures(
    dataset: Dataset, size: int, memory: ImageMemory | None = None
) -> Iterator[Picture]:
    """Decode the pictures that have not been decoded yet, and update the index.

    Args:
        dataset: Refreshed.
        size: The side of the square that the pictures are going to be, in pixels.
        memory: Keeps pictures as far as its budget reaches.

    Yields:
        Each picture that was read or refused, for showing the progress.
    """

    def read(picture: Picture) -> tuple[str, DecodedPicture]:
        content = dataset.path(picture).read_bytes()
        return hashlib.sha256(content).hexdigest(), decode(content, size, dataset.crop)

    new = [picture for picture in dataset.ordered() if not picture.is_read]
    for picture, found in read_ahead(new, read):
        if isinstance(found, Exception):
            dataset.refuse(picture, describe_failure(found))
        else:
            content_hash, decoded = found
            if memory is not None:
                memory.keep(dataset.path(picture), decoded.image)
            dataset.replace([(picture, with_decoded(picture, content_hash, decoded))])
        yield picture


def with_decoded(picture: Picture, content_hash: str, decoded: DecodedPicture) -> Picture:
    """A picture of the index with what its file turned out to be."""
    return replace(
        picture,
        content_hash=content_hash,
        fingerprint=decoded.fingerprint,
        small=decoded.small,
        size=decoded.size,
    )


def describe_failure(error: PictureError | OSError) -> str:
    """Say in a few words why a file can't be read."""
    if isinstance(error, OSError):
        return f"can't be opened: {error.strerror or error}"
    return str(error)


def _outcome(
    item: Item, read: Callable[[], Result]
) -> tuple[Item, Result | PictureError | OSError]:
    try:
        return item, read()
    except (PictureError, OSError) as error:
        return item, error
