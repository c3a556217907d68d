"""A snapshot of a data set as arrays, for training and evaluation."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.crop import Crop
from webcam_classifier.dataset.category_names import find_category_names
from webcam_classifier.dataset.fingerprints import FINGERPRINT_BITS, SMALL_SIDE
from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.listing import SkippedFile, printable
from webcam_classifier.dataset.picture_images import ImageMemory, PictureImages
from webcam_classifier.dataset.predefined_split import TEST_PART, TRAINING_PART, find_parts
from webcam_classifier.dataset.reading import read_pictures
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.progress import Stage, track

MINIMUM_PICTURES = 5
"""Of each label; with fewer, nothing can be held out for testing."""


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """The pictures of a data set at one moment, in the order in which its folder lists them.

    Attributes:
        folder: Where they are.
        labels: The names of the labels, sorted.
        names: Each picture's path below the folder, with forward slashes.
        label_indices: (pictures,) int64, an index into `labels` for each picture.
        images: Each picture, read when it is wanted, shrunken so that `prepare` gives what it
            gives for the file.
        fingerprints: (pictures, 256) bool, from `fingerprints.fingerprint`.
        small: (pictures, 32, 32, 3) uint8, from `fingerprints.small_copy`.
        content_hashes: sha256 of each file.
        sizes: (pictures, 2) int64, width and height of each file's picture, in pixels.
        skipped: The files that could not be used.
        part_indices: (pictures,) int64, an index into `predefined_split.PARTS` for each picture of
            a folder with a predefined split; None without one.
        category_names: What people call the labels, for those that have such a name; see
            `category_names`.
        crop: The part of each picture that `images` gives; None is all of it.
    """

    folder: Path
    labels: tuple[str, ...]
    names: tuple[str, ...]
    label_indices: NDArray[np.int64]
    images: Sequence[BgrImage]
    fingerprints: NDArray[np.bool_]
    small: NDArray[np.uint8]
    content_hashes: tuple[str, ...]
    sizes: NDArray[np.int64]
    skipped: tuple[SkippedFile, ...]
    part_indices: NDArray[np.int64] | None = None
    category_names: Mapping[str, str] = field(default_factory=dict)
    crop: Crop | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def data_hash(self) -> str:
        """The sha256 over all names and contents: equal for equal data sets."""
        pairs = zip(self.names, self.content_hashes, strict=True)
        lines = (f"{name} {content}\n" for name, content in pairs)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def counts(self) -> dict[str, int]:
        """How many pictures there are of each label."""
        found = Counter(self.label_indices.tolist())
        return {label: found[index] for index, label in enumerate(self.labels)}

    def at(self, indices: NDArray[np.int64]) -> LabelledPictures:
        """Some of the pictures, with the same labels.

        Args:
            indices: (count,) int64, which of them.
        """
        places = indices.tolist()
        if places == list(range(len(self))):  # of many pictures a copy is large
            return dataclasses.replace(self, skipped=())
        return dataclasses.replace(
            self,
            names=tuple(self.names[place] for place in places),
            label_indices=self.label_indices[indices],
            images=_chosen(self.images, places),
            fingerprints=self.fingerprints[indices],
            small=self.small[indices],
            content_hashes=tuple(self.content_hashes[place] for place in places),
            sizes=self.sizes[indices],
            skipped=(),
            part_indices=None if self.part_indices is None else self.part_indices[indices],
        )


def _chosen(images: Sequence[BgrImage], places: Sequence[int]) -> Sequence[BgrImage]:
    if isinstance(images, PictureImages):
        return images.at(places)
    return tuple(images[place] for place in places)


def labelled_pictures(
    dataset: Dataset, size: int, memory: ImageMemory | None = None
) -> LabelledPictures:
    """Take the pictures of a data set whose files were read so far.

    Args:
        dataset: Refreshed.
        size: The side of the square that the pictures are going to be, in pixels.
        memory: Of pictures that were read already.

    Raises:
        UserError: The category names can't be read.
    """
    kept = [picture for picture in dataset.ordered() if picture.is_read]
    labels = tuple(sorted(dataset.labels))
    return pictures_of(dataset, kept, labels, size, memory, crop=dataset.crop)


def pictures_of(
    dataset: Dataset,
    kept: Sequence[Picture],
    labels: tuple[str, ...],
    size: int,
    memory: ImageMemory | None = None,
    *,
    crop: Crop | None,
) -> LabelledPictures:
    """Take some pictures of a data set.

    Args:
        dataset: Where they are.
        kept: In the order in which the folder lists them; their files were read.
        labels: Theirs, sorted.
        size: The side of the square that the pictures are going to be, in pixels.
        memory: Of pictures that were read already.
        crop: The part of each that is used, to which everything known of them refers; None is all
            of it. The data set may have another one by now.

    Raises:
        UserError: The category names can't be read.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    small = [picture.small for picture in kept if picture.small is not None]
    bits = [picture.fingerprint for picture in kept if picture.fingerprint is not None]
    return LabelledPictures(
        folder=dataset.folder,
        labels=labels,
        names=tuple(picture.path for picture in kept),
        label_indices=np.array([numbers[picture.label] for picture in kept], dtype=np.int64),
        images=PictureImages(
            [dataset.path(picture) for picture in kept],
            size,
            memory or ImageMemory(),
            crop,
        ),
        fingerprints=np.array(bits, dtype=np.bool_).reshape(-1, FINGERPRINT_BITS),
        small=np.array(small, dtype=np.uint8).reshape(-1, SMALL_SIDE, SMALL_SIDE, 3),
        content_hashes=tuple(picture.content_hash for picture in kept),
        sizes=np.array([picture.size for picture in kept], dtype=np.int64).reshape(-1, 2),
        skipped=dataset.skipped,
        part_indices=np.array([picture.part for picture in kept], dtype=np.int64)
        if dataset.is_split
        else None,
        category_names=find_category_names(dataset.folder),
        crop=crop,
    )


def load_labelled_pictures(folder: Path, size: int, crop: Crop | None = None) -> LabelledPictures:
    """Read every picture of a folder that has one folder for each label.

    Args:
        folder: `folder/<label>/.../<picture>`, or `folder/<part>/<label>/.../<picture>` with the
            parts of `predefined_split`; see `listing` for what is passed over.
        size: The side of the square that the pictures are going to be, in pixels.
        crop: The part of each picture that is looked at; None is all of it.

    Raises:
        UserError: The folder is missing, or its category names can't be read.
    """
    dataset, memory = Dataset(existing(folder), crop=crop), ImageMemory()
    dataset.refresh()
    for _ in track(Stage.READ, read_pictures(dataset, size, memory), len(dataset)):
        pass
    return labelled_pictures(dataset, size, memory)


def existing(folder: Path) -> Path:
    """Refuse a folder that is not there.

    Raises:
        UserError: It is missing, or a file.
    """
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {printable(folder)}. Record pictures with `python collect.py "
            "thumbs_up thumbs_down`, or name the folder that holds one folder for each label."
        )
    return folder


def own_test_part(pictures: LabelledPictures) -> LabelledPictures:
    """Return a folder's pictures for testing: its test part, or all if it has none.

    Args:
        pictures: Of a folder with or without a predefined split.
    """
    if pictures.part_indices is None:
        return pictures
    chosen = np.flatnonzero(pictures.part_indices == TEST_PART)
    return pictures.at(chosen) if chosen.size else pictures


def check_enough(dataset: Dataset) -> None:
    """Refuse a data set that is too small to train on.

    Args:
        dataset: Refreshed; files that are not pictures are already removed.

    Raises:
        UserError: Fewer than two labels, an empty label, or fewer than five pictures of one. With a
            predefined split, this is about its training part.
    """
    folder = dataset.folder
    labels = sorted(dataset.labels)
    if len(labels) < 2:
        named = f"only the label {labels[0]!r}" if labels else "no label"
        raise UserError(
            f"{folder} holds {named}, and a model needs at least two. Record another one, for "
            "example `python collect.py thumbs_up background`."
        )
    if dataset.is_split:
        folder = find_parts(folder)[TRAINING_PART]
    found = Counter(one.label for one in dataset.every() if one.part == TRAINING_PART)
    few = {label: found[label] for label in labels if found[label] < MINIMUM_PICTURES}
    if few:
        named = ", ".join(f"{label!r} has {count}" for label, count in few.items())
        raise UserError(
            f"Each label needs at least {MINIMUM_PICTURES} readable pictures, and in {folder} "
            f"{named}. Add more pictures of it, or move the folder elsewhere."
        )


def describe_skipped(skipped: Sequence[SkippedFile], most: int = 20) -> str:
    """List the files that were not used, a line each, and how many more there are.

    Args:
        skipped: What to list.
        most: How many lines at the most.
    """
    files = "1 file, which is" if len(skipped) == 1 else f"{len(skipped)} files, which are"
    lines = [f"skipped {files} left in place:"]
    lines += [f"  {printable(file.path)}: {file.reason}" for file in skipped[:most]]
    if len(skipped) > most:
        lines.append(f"  and {len(skipped) - most} more")
    return "\n".join(lines)
