"""Find and read a folder of labelled pictures: one folder a label, any picture format."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.console import progress
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.pictures import PictureError, decode_picture, is_picture_name
from webcam_classifier.preprocess import shrink

MINIMUM_PICTURES = 5
"""Of each label; with fewer, nothing can be held back to measure with."""

_FINGERPRINT_SIDE = 16  # 16 x 16 comparisons: 256 bits
_IGNORED_NAMES = frozenset({"readme.md", "thumbs.db", "desktop.ini"})


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
        skipped: The files that could not be used.
    """

    folder: Path
    labels: tuple[str, ...]
    names: tuple[str, ...]
    label_indices: NDArray[np.int64]
    images: tuple[BgrImage, ...]
    fingerprints: NDArray[np.bool_]
    content_hashes: tuple[str, ...]
    skipped: tuple[SkippedFile, ...]

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
            skipped=(),
        )


def load_labelled_pictures(folder: Path, size: int) -> LabelledPictures:
    """Read every picture of a folder that has one folder for each label.

    Args:
        folder: `folder/<label>/.../<picture>`; hidden files are passed over.
        size: The side of the square that the pictures are going to be, in pixels.

    Raises:
        UserError: The folder is missing, or holds no label at all.
    """
    files, skipped = _find(folder)
    decoded = progress(_read_all([path for path, _ in files], size), "reading", len(files))
    kept: list[tuple[Path, str, _Decoded]] = []
    for (path, label), picture in zip(files, decoded, strict=True):
        if isinstance(picture, PictureError):
            skipped.append(SkippedFile(path, str(picture)))
        else:
            kept.append((path, label, picture))
    labels = tuple(sorted({label for _, label in files} | set(_label_folders(folder))))
    return LabelledPictures(
        folder=folder,
        labels=labels,
        names=tuple(path.relative_to(folder).as_posix() for path, _, _ in kept),
        label_indices=np.array([labels.index(label) for _, label, _ in kept], dtype=np.int64),
        images=tuple(picture.image for _, _, picture in kept),
        fingerprints=np.array([picture.fingerprint for _, _, picture in kept], dtype=np.bool_),
        content_hashes=tuple(picture.content_hash for _, _, picture in kept),
        skipped=tuple(skipped),
    )


def check_enough(pictures: LabelledPictures) -> None:
    """Refuse a data set that nothing can be learnt from.

    Raises:
        UserError: Fewer than two labels, an empty label, or fewer than five pictures of one.
    """
    folder, counts = pictures.folder, pictures.counts()
    if len(counts) < 2:
        named = f"only the label {next(iter(counts))!r}" if counts else "no label"
        raise UserError(
            f"{folder} holds {named}, and a choice needs two. Record another one, for example "
            "`python collect.py thumbs_up none`."
        )
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


@dataclass(frozen=True, eq=False)
class _Decoded:
    image: BgrImage
    fingerprint: NDArray[np.bool_]
    content_hash: str


def _find(folder: Path) -> tuple[list[tuple[Path, str]], list[SkippedFile]]:
    """List each picture with its label, and each file that is none, both in order of name."""
    labels = _label_folders(folder)
    files: list[tuple[Path, str]] = []
    skipped = [
        SkippedFile(path, "not in a label's folder")
        for path in sorted(folder.iterdir())
        if path.is_file() and not _is_ignored(path)
    ]
    for label in labels:
        for path in sorted((folder / label).rglob("*")):
            if not path.is_file() or _is_ignored(path):
                continue
            if is_picture_name(path):
                files.append((path, label))
            else:
                ending = path.suffix or "no ending"
                skipped.append(SkippedFile(path, f"{ending}: not JPEG, PNG, BMP or WebP"))
    return files, skipped


def _label_folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder}. Record pictures with `python collect.py thumbs_up "
            "thumbs_down`, or name the folder that holds one folder for each label."
        )
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
    return _Decoded(shrink(image, size), fingerprint(image), hashlib.sha256(content).hexdigest())
