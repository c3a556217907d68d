"""Find and read a folder of labelled pictures: one folder a label, any picture format.

Where there is a folder for each part first (`train/ valid/ test/`), the parts are kept as given.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.cli.console import progress
from webcam_classifier.dataset.category_names import CATEGORY_NAMES_FILES, find_category_names
from webcam_classifier.dataset.given_parts import TEST_PART, TRAINING_PART, find_parts
from webcam_classifier.dataset.picture_files import PictureError, decode_picture, is_picture_name
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import shrink

MINIMUM_PICTURES = 5
"""Of each label; with fewer, nothing can be held back to measure with."""

_FINGERPRINT_SIDE = 16  # 16 x 16 comparisons: 256 bits
_IGNORED_NAMES = frozenset({"readme.md", "thumbs.db", "desktop.ini", *CATEGORY_NAMES_FILES})


@dataclass(frozen=True)
class SkippedFile:
    """A file that is not used, and why; it is left where it is.

    Attributes:
        path: The file.
        reason: A few words.
    """

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """The pictures of a data set, read and shrunken, in the order of their names.

    Attributes:
        folder: Where they are.
        labels: The names of the labels, sorted.
        names: Each picture's path below the folder, with forward slashes.
        label_indices: (pictures,) int64, an index into `labels` for each picture.
        images: Each picture, shrunken so that `prepare` gives what it gives for the file.
        fingerprints: (pictures, 256) bool, from `fingerprint`.
        content_hashes: sha256 of each file.
        sizes: (pictures, 2) int64, width and height of each file's picture, in pixels.
        skipped: The files that could not be used.
        part_indices: (pictures,) int64, an index into `given_parts.PARTS` for each picture of a
            folder that came split; None where it did not.
        category_names: What people call the labels, for those that have such a name; see
            `category_names`.
    """

    folder: Path
    labels: tuple[str, ...]
    names: tuple[str, ...]
    label_indices: NDArray[np.int64]
    images: tuple[BgrImage, ...]
    fingerprints: NDArray[np.bool_]
    content_hashes: tuple[str, ...]
    sizes: NDArray[np.int64]
    skipped: tuple[SkippedFile, ...]
    part_indices: NDArray[np.int64] | None = None
    category_names: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def data_hash(self) -> str:
        """The sha256 over all names and contents: two equal ones are the same data set."""
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
        return dataclasses.replace(
            self,
            names=tuple(self.names[place] for place in places),
            label_indices=self.label_indices[indices],
            images=tuple(self.images[place] for place in places),
            fingerprints=self.fingerprints[indices],
            content_hashes=tuple(self.content_hashes[place] for place in places),
            sizes=self.sizes[indices],
            skipped=(),
            part_indices=None if self.part_indices is None else self.part_indices[indices],
        )


def load_labelled_pictures(folder: Path, size: int) -> LabelledPictures:
    """Read every picture of a folder that has one folder for each label.

    Args:
        folder: `folder/<label>/.../<picture>`, or `folder/<part>/<label>/.../<picture>` with the
            parts of `given_parts`; hidden files are passed over.
        size: The side of the square that the pictures are going to be, in pixels.

    Raises:
        UserError: The folder is missing, or its category names can't be read.
    """
    files, skipped = _find(folder)
    decoded = progress(_read_all([file.path for file in files], size), "reading", len(files))
    kept: list[tuple[_File, _Decoded]] = []
    for file, picture in zip(files, decoded, strict=True):
        if isinstance(picture, PictureError):
            skipped.append(SkippedFile(file.path, str(picture)))
        else:
            kept.append((file, picture))
    labels = tuple(sorted({label for root, _ in _roots(folder) for label in _folders(root)}))
    numbers = {label: number for number, label in enumerate(labels)}
    parts = np.array([file.part for file, _ in kept], dtype=np.int64)
    sizes = [picture.size for _, picture in kept]
    return LabelledPictures(
        folder=folder,
        labels=labels,
        names=tuple(file.path.relative_to(folder).as_posix() for file, _ in kept),
        label_indices=np.array([numbers[file.label] for file, _ in kept], dtype=np.int64),
        images=tuple(picture.image for _, picture in kept),
        fingerprints=np.array([picture.fingerprint for _, picture in kept], dtype=np.bool_),
        content_hashes=tuple(picture.content_hash for _, picture in kept),
        sizes=np.array(sizes, dtype=np.int64).reshape(-1, 2),
        skipped=tuple(skipped),
        part_indices=parts if find_parts(folder) else None,
        category_names=find_category_names(folder),
    )


def own_test_part(pictures: LabelledPictures) -> LabelledPictures:
    """Give what a folder has to measure with: its own test part, or all where it has none.

    Args:
        pictures: Of a folder that came split, or not.
    """
    if pictures.part_indices is None:
        return pictures
    chosen = np.flatnonzero(pictures.part_indices == TEST_PART)
    return pictures.at(chosen) if chosen.size else pictures


def check_enough(pictures: LabelledPictures) -> None:
    """Refuse a data set that nothing can be learnt from.

    Raises:
        UserError: Fewer than two labels, an empty label, or fewer than five pictures of one. Of a
            folder that came split, its training part is meant.
    """
    folder = pictures.folder
    if len(pictures.labels) < 2:
        named = f"only the label {pictures.labels[0]!r}" if pictures.labels else "no label"
        raise UserError(
            f"{folder} holds {named}, and a choice needs two. Record another one, for example "
            "`python collect.py thumbs_up none`."
        )
    if pictures.part_indices is not None:
        folder = find_parts(folder)[TRAINING_PART]
        pictures = pictures.at(np.flatnonzero(pictures.part_indices == TRAINING_PART))
    counts = pictures.counts()
    few = {label: count for label, count in counts.items() if count < MINIMUM_PICTURES}
    if few:
        named = ", ".join(f"{label!r} has {count}" for label, count in few.items())
        raise UserError(
            f"Each label needs at least {MINIMUM_PICTURES} readable pictures, and in {folder} "
            f"{named}. Record more of it, or move the folder elsewhere."
        )


def describe_skipped(skipped: Sequence[SkippedFile], most: int = 20) -> str:
    """List the files that were not used, a line each, and how many more there are.

    Args:
        skipped: What to list.
        most: How many lines at the most.
    """
    lines = [f"skipped {len(skipped)} files that are left where they are:"]
    lines += [f"  {file.path}: {file.reason}" for file in skipped[:most]]
    if len(skipped) > most:
        lines.append(f"  and {len(skipped) - most} more")
    return "\n".join(lines)


def fingerprint(image: BgrImage) -> NDArray[np.bool_]:
    """Give 256 bits that stay nearly the same when a picture is resized or re-encoded.

    A difference hash: for each place of a 16 x 16 grid, whether it is darker than the place to
    the right of it (N. Krawetz, "Kind of Like That", 2013, with a finer grid).

    Args:
        image: (height, width, 3) uint8.

    Returns:
        (256,) bool.
    """
    side = _FINGERPRINT_SIDE
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (side + 1, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, 1:] > small[:, :-1]).ravel()


@dataclass(frozen=True)
class _File:
    path: Path
    label: str
    part: int


@dataclass(frozen=True, eq=False)
class _Decoded:
    image: BgrImage
    size: tuple[int, int]  # width, height of the file's picture
    fingerprint: NDArray[np.bool_]
    content_hash: str


def _roots(folder: Path) -> list[tuple[Path, int]]:
    """Give the folders that hold one folder a label, each with its part, in order of name."""
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder}. Record pictures with `python collect.py thumbs_up "
            "thumbs_down`, or name the folder that holds one folder for each label."
        )
    parts = find_parts(folder)
    if not parts:
        return [(folder, TRAINING_PART)]
    return sorted((path, part) for part, path in parts.items())


def _find(folder: Path) -> tuple[list[_File], list[SkippedFile]]:
    """List each picture with its label, and each file that is none, both in order of name."""
    files: list[_File] = []
    roots = _roots(folder)
    skipped: list[SkippedFile] = []
    if roots[0][0] != folder:
        own = {root.name for root, _ in roots}
        skipped += _loose(folder)
        skipped += [
            SkippedFile(folder / name, "a folder without label folders, or no part of the set")
            for name in _folders(folder)
            if name not in own
        ]
    for root, part in roots:
        skipped += _loose(root)
        for label in _folders(root):
            for path in sorted((root / label).rglob("*")):
                if not path.is_file() or _is_ignored(path):
                    continue
                if is_picture_name(path):
                    files.append(_File(path, label, part))
                else:
                    ending = path.suffix or "no ending"
                    skipped.append(SkippedFile(path, f"{ending}: not JPEG, PNG, BMP or WebP"))
    return files, skipped


def _loose(folder: Path) -> list[SkippedFile]:
    return [
        SkippedFile(path, "not in a label's folder")
        for path in sorted(folder.iterdir())
        if path.is_file() and not _is_ignored(path)
    ]


def _folders(folder: Path) -> list[str]:
    return sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _IGNORED_NAMES


def _read_all(paths: Sequence[Path], size: int) -> Iterator[_Decoded | PictureError]:
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as workers:
        yield from workers.map(lambda path: _read(path, size), paths)


def _read(path: Path, size: int) -> _Decoded | PictureError:
    try:
        content = path.read_bytes()
        image = decode_picture(content)
    except OSError as error:
        return PictureError(f"can't be opened: {error.strerror or error}")
    except PictureError as error:
        return error
    # Of the whole picture, so that the split is the same at every input size.
    return _Decoded(
        image=shrink(image, size),
        size=(image.shape[1], image.shape[0]),
        fingerprint=fingerprint(image),
        content_hash=hashlib.sha256(content).hexdigest(),
    )
