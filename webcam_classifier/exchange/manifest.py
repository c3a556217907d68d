"""The manifest of a data set in a zip file: what it holds, with a checksum of each file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from webcam_classifier.crop import Crop, read_crop
from webcam_classifier.errors import UserError

MANIFEST_NAME = "teach-camera.json"
CHECKSUMS_NAME = "SHA256SUMS"
"""The same checksums as `sha256sum --check SHA256SUMS` reads them."""

FORMAT_VERSION = 1


@dataclass(frozen=True)
class ManifestPicture:
    """One picture.

    Attributes:
        path: Below the data set, with forward slashes.
        label: What it shows.
        part: Of `predefined_split.PARTS`, or None without a predefined split.
        burst: What it was recorded with, as `SESSION-BURST`; None for a single photograph, or
            where that is not known.
        sha256: Of the file.
    """

    path: str
    label: str
    part: str | None
    burst: str | None
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a zip file holds.

    Attributes:
        labels: All of them, one without a picture too.
        parts: The folder of each part, by its name in `predefined_split.PARTS`; none without a
            predefined split.
        crop: The part of each picture that is looked at; None is all of it.
        pictures: In the order of the data set.
        files: The sha256 of each other file, by its path.
        data_hash: As `LabelledPictures.data_hash`, of all pictures.
    """

    labels: Sequence[str]
    parts: dict[str, str]
    crop: Crop | None
    pictures: Sequence[ManifestPicture]
    files: dict[str, str]
    data_hash: str

    def to_json(self) -> bytes:
        """Write it as JSON."""
        crop = None if self.crop is None else vars(self.crop)
        return json.dumps(
            {
                "format": "teach-camera data set",
                "format_version": FORMAT_VERSION,
                "labels": list(self.labels),
                "parts": self.parts,
                "crop": crop,
                "data_hash": self.data_hash,
                "pictures": [vars(picture) for picture in self.pictures],
                "files": self.files,
            },
            indent=1,
            ensure_ascii=False,
        ).encode()


def read_manifest(content: bytes) -> Manifest:
    """Read a manifest.

    Args:
        content: Of the file, that anybody may have written.

    Raises:
        UserError: It is damaged, or of a newer version.
    """
    try:
        found = json.loads(content.decode("utf-8-sig"))
        version = found["format_version"]
        if version == FORMAT_VERSION:
            return Manifest(
                [_text(label) for label in found["labels"]],
                {_text(part): _text(folder) for part, folder in found["parts"].items()},
                None if found["crop"] is None else read_crop(found["crop"]),
                [
                    ManifestPicture(
                        _text(one["path"]),
                        _text(one["label"]),
                        None if one["part"] is None else _text(one["part"]),
                        None if one["burst"] is None else _text(one["burst"]),
                        _text(one["sha256"]),
                    )
                    for one in found["pictures"]
                ],
                {_text(path): _text(digest) for path, digest in found["files"].items()},
                _text(found["data_hash"]),
            )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{MANIFEST_NAME} in it is damaged ({error}). Write the zip file again with "
            "`python collect.py --export FILE.zip`."
        ) from error
    raise UserError(
        f"{MANIFEST_NAME} in it is of version {version!r}, and this program reads version "
        f"{FORMAT_VERSION}. Install a newer one."
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
