"""What the frozen network made of a data set's pictures, kept beside them: nothing is seen twice.

It lies in a hidden folder of the data set, by the content of the pictures, so that pictures may be
renamed and moved. All of it can be had again: what is damaged or of another kind is passed over,
and where the data set can't be written, nothing is kept.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
import time
import zlib
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import PIL
from numpy.typing import NDArray

FOLDER_NAME = ".embeddings"
"""Below the data set; what begins with a dot is no label."""

_VERSION = 2  # of the files' form, and of how views are made
_FINGERPRINT_BYTES = 32
_HEAD_BYTES = 32 + 8 + 3072
_CHECKSUM_BYTES = 4
_KEPT_KINDS = 4  # networks, seeds and versions that are remembered
_MOST_BYTES = 256_000_000  # of one kind: 40 000 pictures with two views, of 512 features each


@dataclass(frozen=True, eq=False)
class PictureEmbeddings:
    """What the network made of a picture.

    Attributes:
        embeddings: (looks, features) float32: of the picture itself, then of views of it.
        fingerprint: (256,) bool, see `labelled_pictures.fingerprint`.
    """

    embeddings: NDArray[np.float32]
    fingerprint: NDArray[np.bool_]
    size: tuple[int, int]
    small: NDArray[np.uint8]


def cache_key(features: onnx.ModelProto, seed: int, flip: bool) -> str:
    """Name all that looks depend on besides the picture; what differs in it is kept apart.

    Args:
        features: The graph.
        seed: Of the views.
        flip: Whether views may be mirrored.
    """
    content = hashlib.sha256(features.SerializeToString(deterministic=True))
    versions = (onnxruntime.__version__, cv2.__version__, PIL.__version__, platform.machine())
    content.update(f"{_VERSION} {seed} {flip} {versions}".encode())
    return content.hexdigest()[:24]


class EmbeddingCache:
    """The looks of one kind, a small file for each picture.

    Several programs may use it at once: a file is whole or is not there.

    Args:
        dataset: The folder of the pictures.
        kind: From `cache_key`.
        width: How many features an embedding has.

    Attributes:
        width: That.
    """

    def __init__(self, dataset: Path, kind: str, width: int) -> None:
        self._root = dataset / FOLDER_NAME
        self._folder = self._root / kind
        self.width = width
        self._opened_at = time.time()
        self._bytes = sum(entry.stat().st_size for entry in _entries(self._folder))

    def load(self, content_hash: str) -> PictureEmbeddings | None:
        """Give what is remembered of a picture; None where that is nothing, or damaged.

        Args:
            content_hash: sha256 of its file.
        """
        try:
            content = (self._folder / content_hash).read_bytes()
        except OSError:
            return None
        body, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
        numbers = body[_HEAD_BYTES:]
        is_whole = len(numbers) > 0 and len(numbers) % (4 * self.width) == 0
        if not is_whole or _checksum(body) != checksum:
            return None
        bits = np.frombuffer(body, dtype=np.uint8, count=_FINGERPRINT_BYTES)
        embeddings = np.frombuffer(numbers, dtype="<f4").reshape(-1, self.width)
        width, height = np.frombuffer(body, dtype="<u4", count=2, offset=32).tolist()
        small = np.frombuffer(body, dtype=np.uint8, count=3072, offset=40).reshape(32, 32, 3)
        return PictureEmbeddings(
            embeddings, np.unpackbits(bits).astype(np.bool_), (width, height), small
        )

    def save(self, content_hash: str, looks: PictureEmbeddings) -> None:
        """Remember a picture, where there is room for it and the folder can be written."""
        embeddings = np.ascontiguousarray(looks.embeddings, dtype="<f4")
        body = np.packbits(looks.fingerprint).tobytes()
        body += (
            np.array(looks.size, dtype="<u4").tobytes()
            + looks.small.tobytes()
            + embeddings.tobytes()
        )
        if self._bytes + len(body) > _MOST_BYTES:
            return
        place = self._folder / content_hash
        partial = self._folder / f".{content_hash}.{secrets.token_hex(4)}"
        # Not flushed, as snapshots are: a torn file is known by its checksum, and made again.
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                partial.write_bytes(body + _checksum(body))
                partial.replace(place)
            finally:
                partial.unlink(missing_ok=True)
            self._bytes += len(body)

    def discard(self, content_hash: str) -> None:
        """Forget a picture, whatever network looked at it."""
        for folder in _entries(self._root):
            with suppress(OSError):
                (Path(folder) / content_hash).unlink()

    def prune(self, known: Collection[str]) -> None:
        """Forget pictures that are gone, and networks that were not used for long.

        What was written since this was opened stays: another program may have recorded it.

        Args:
            known: The content hashes of all pictures of the data set.
        """
        kept = set(known)
        with suppress(OSError):
            os.utime(self._folder)
        for entry in _entries(self._folder):
            if entry.name not in kept and entry.stat().st_mtime < self._opened_at:
                with suppress(OSError):
                    Path(entry).unlink()
        kinds = sorted(_entries(self._root), key=lambda entry: entry.stat().st_mtime)
        for entry in kinds[:-_KEPT_KINDS]:
            shutil.rmtree(entry, ignore_errors=True)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")
