"""Write a data set as one zip file, with a manifest and checksums, for another machine."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from webcam_classifier.dataset.category_names import CATEGORY_NAMES_FILES
from webcam_classifier.dataset.crop_file import CROP_FILE, find_crop
from webcam_classifier.dataset.listing import Listing, SkippedFile, list_dataset, printable
from webcam_classifier.dataset.picture_archive import path_problem
from webcam_classifier.dataset.picture_files import PictureError, check_header
from webcam_classifier.dataset.predefined_split import PARTS, find_parts
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name
from webcam_classifier.errors import UserError
from webcam_classifier.exchange.import_dataset import ImportOptions, import_source
from webcam_classifier.exchange.layouts import SIDE_FILES
from webcam_classifier.exchange.manifest import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    Manifest,
    ManifestPicture,
)
from webcam_classifier.exchange.sources import LIMITS, open_source
from webcam_classifier.progress import Stage, track
from webcam_classifier.storage import replace_atomically
from webcam_classifier.temporary_files import temporary_folder


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        manifest: Of the zip file.
        skipped: What is not in it.
    """

    manifest: Manifest
    skipped: Sequence[SkippedFile]


def export_dataset(dataset: Path, file: Path) -> Exported:
    """Write all pictures of a data set into a zip file that `import_dataset` reads.

    Files keep their paths and names, so that bursts are preserved, and the same data set gives the
    same zip file to the last byte.

    Args:
        dataset: The folder.
        file: Where to write, a name that ends in .zip. An earlier export is replaced completely,
            and nothing else is.

    Raises:
        UserError: There is no picture, the data set is too large for one zip file, names in it
            can't be read in again, or the file can't be written, is something else, or would be in
            the data set.
    """
    _check_target(file, dataset)
    listing = list_dataset(dataset)
    if not listing.pictures:
        raise UserError(f"{dataset} holds no picture. Name another folder with --dataset.")
    if len(listing.pictures) > LIMITS.entries - 10:
        raise UserError(_too_large(dataset))
    _check_names(listing)
    found: list[Exported] = []

    def write(path: Path) -> None:
        try:
            with zipfile.ZipFile(path, "w", allowZip64=False) as archive:
                found.append(_write(archive, dataset))
        except (zipfile.LargeZipFile, OverflowError) as error:
            raise UserError(_too_large(dataset)) from error
        _check_can_be_imported(path, dataset)

    replace_atomically(file, write)
    return found[0]


def _check_target(file: Path, dataset: Path) -> None:
    """Refuse to replace a file that was not written by an export."""
    if file.suffix.lower() != ".zip":
        raise UserError(f"{file} is not the name of a zip file. End it in .zip.")
    if file.resolve().is_relative_to(dataset.resolve()):
        raise UserError(f"{file} would be in the data set itself. Name a place outside of it.")
    if os.path.lexists(file) and (file.is_symlink() or not _is_export(file)):
        raise UserError(
            f"{file} is there already, and is no data set that --export wrote. Name another file, "
            "or move it away."
        )


def _check_names(listing: Listing) -> None:
    """Refuse names that no zip file may have in it, since whoever reads one would refuse them."""
    for one in listing.pictures:
        problem = path_problem(one.full_name)
        if problem is not None:
            raise UserError(
                f"{printable(one.path)} can't be in a zip file: {problem}. Rename it, or its "
                "folder, and export again."
            )


def _check_can_be_imported(written: Path, dataset: Path) -> None:
    """Read what was written as another machine will, so that nobody relies on it in vain."""
    with temporary_folder() as folder, open_source(written, SIDE_FILES) as source:
        nowhere = folder / "dataset"
        import_source(source, printable(dataset), nowhere, ImportOptions(is_rehearsal=True))


def _is_export(file: Path) -> bool:
    if not file.is_file():
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return MANIFEST_NAME in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _write(archive: zipfile.ZipFile, dataset: Path) -> Exported:
    listing = list_dataset(dataset)
    parts = find_parts(dataset) if listing.is_split else {}
    skipped = list(listing.skipped)
    pictures: list[ManifestPicture] = []
    for one in track(Stage.READ, listing.pictures):
        try:
            content = one.path.read_bytes()
            check_header(content)
            if len(content) > LIMITS.picture_bytes:
                raise PictureError(f"larger than {LIMITS.picture_bytes // 1_000_000} MB")
        except (PictureError, OSError) as error:
            skipped.append(SkippedFile(one.path, str(error)))
            continue
        archive.writestr(zipfile.ZipInfo(one.full_name), content)
        digest = hashlib.sha256(content).hexdigest()
        named = parse_snapshot_name(PurePosixPath(one.name).stem)
        burst = None if named is None else f"{named[0]}-{named[1]:03d}"
        part = PARTS[one.part] if listing.is_split else None
        pictures.append(ManifestPicture(one.full_name, one.label, part, burst, digest))
    files: dict[str, str] = {}
    for name in (CROP_FILE, *CATEGORY_NAMES_FILES):
        if (dataset / name).is_file():
            content = (dataset / name).read_bytes()
            archive.writestr(zipfile.ZipInfo(name), content)
            files[name] = hashlib.sha256(content).hexdigest()
    lines = "".join(f"{one.path} {one.sha256}\n" for one in pictures)
    manifest = Manifest(
        listing.labels, {PARTS[part]: path.name for part, path in sorted(parts.items())},
        find_crop(dataset), pictures, files, hashlib.sha256(lines.encode()).hexdigest(),
    )  # fmt: skip
    archive.writestr(zipfile.ZipInfo(MANIFEST_NAME), manifest.to_json())
    sums = {one.path: one.sha256 for one in pictures} | files
    archive.writestr(
        zipfile.ZipInfo(CHECKSUMS_NAME),
        "".join(f"{digest}  {path}\n" for path, digest in sums.items()),
    )
    return Exported(manifest, skipped)


def _too_large(dataset: Path) -> str:
    return (
        f"{dataset} is too large for one zip file, which holds up to {LIMITS.entries} files and 4 "
        "GB. Copy the folder itself."
    )
