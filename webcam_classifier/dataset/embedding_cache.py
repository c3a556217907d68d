"""The cache of a data set's embeddings, kept beside its pictures: nothing is embedded twice.

It is one hidden file of the data set, keyed by the content of the pictures, so that pictures may be
renamed and moved. Everything in it can be recomputed: damaged entries and those of another kind are
ignored, and nothing is kept if the data set can't be written.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import re
import shutil
import struct
import time
import zlib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
import onnx
import PIL
from numpy.typing import NDArray

from webcam_classifier.crop import Crop
from webcam_classifier.dataset.disposable_database import DisposableDatabase
from webcam_classifier.dataset.fingerprints import SMALL_SIDE
from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.sequences import batched

if TYPE_CHECKING:
    import sqlite3

FILE_NAME = ".embeddings.sqlite"

_FORMER_FOLDER_NAME = ".embeddings"  # a file for each picture: <kind>/<content hash>
_FORMER_KIND = re.compile(r"[0-9a-f]{24}")
_FORMER_FILE = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}\.[0-9a-f]{8}")

_VERSION = 2  # of how pictures are prepared and views are made
_APPLICATION_ID = int.from_bytes(b"wcem", "big")
_FORM_VERSION = 1  # of the file
_SCHEMA = (
    "CREATE TABLE kinds (kind BLOB PRIMARY KEY, used_at REAL, bytes INTEGER) WITHOUT ROWID",
    "CREATE TABLE pictures (content_hash BLOB, kind BLOB, written_at REAL, content BLOB)",
    "CREATE UNIQUE INDEX by_content ON pictures (content_hash, kind)",
    "CREATE TRIGGER grow AFTER INSERT ON pictures BEGIN UPDATE kinds SET bytes = bytes"
    " + length(new.content) WHERE kind = new.kind; END",
    "CREATE TRIGGER lessen AFTER DELETE ON pictures BEGIN UPDATE kinds SET bytes = bytes"
    " - length(old.content) WHERE kind = old.kind; END",
)

_HEAD = struct.Struct("<II")  # width and height of the file's picture
_FINGERPRINT_BYTES = 32
_SMALL_SHAPE = (SMALL_SIDE, SMALL_SIDE, 3)
_SMALL_AT = _HEAD.size + _FINGERPRINT_BYTES
_EMBEDDINGS_AT = _SMALL_AT + SMALL_SIDE * SMALL_SIDE * 3
_CHECKSUM_BYTES = 4

_KEPT_KINDS = 4  # networks, seeds and versions that are remembered
_MOST_BYTES = 384_000_000  # of one kind: 31 000 pictures with two views, of 768 features each
_READ_AT_ONCE = 500  # pictures; SQLite before 3.32 takes at most 999 values in a statement
_WRITTEN_AT_ONCE = 64  # pictures: a commit of a few milliseconds, as others wait for it

_log = logging.getLogger(__name__)
_Item = TypeVar("_Item")


@dataclass(frozen=True, eq=False)
class PictureEmbeddings:
    """A picture's embeddings, and what else is needed of it without decoding it again.

    Attributes:
        embeddings: (views, features) float32: of the picture itself, then of random views of it.
        fingerprint: (256,) bool, see `fingerprints.fingerprint`.
        size: Width and height of the file's picture, in pixels.
        small: (32, 32, 3) uint8, from `fingerprints.small_copy`.
    """

    embeddings: NDArray[np.float32]
    fingerprint: NDArray[np.bool_]
    size: tuple[int, int]
    small: NDArray[np.uint8]


def cache_key(features: onnx.ModelProto, seed: int, flip: bool, crop: Crop | None = None) -> str:
    """Return a key of everything besides the picture that embeddings depend on.

    Args:
        features: The graph.
        seed: Of the views.
        flip: Whether views may be mirrored.
        crop: The part of each picture that is looked at; None is all of it.
    """
    content = hashlib.sha256(features.SerializeToString(deterministic=True))
    versions = (onnxruntime.__version__, cv2.__version__, PIL.__version__, platform.machine())
    content.update(f"{_VERSION} {seed} {flip} {versions}".encode())
    if crop is not None:
        content.update(repr(crop).encode())
    return content.hexdigest()[:24]


class EmbeddingCache:
    """The embeddings of one kind; several programs and threads may use it at once.

    If the file can't be used, nothing is raised: nothing is found, and nothing is kept.

    Args:
        dataset: The folder of the pictures.
        kind: From `cache_key`.
        width: How many features an embedding has.

    Attributes:
        width: As given.
    """

    def __init__(self, dataset: Path, kind: str, width: int) -> None:
        self._path = dataset / FILE_NAME
        self._kind = kind.encode()
        self.width = width
        self._opened_at = time.time()
        self._database = DisposableDatabase(
            self._path, _APPLICATION_ID, _FORM_VERSION, _SCHEMA, _log
        )
        self._has_seen_damage = False
        self._has_counted = False
        _remove_former(dataset / _FORMER_FOLDER_NAME)

    def load(self, content_hash: str) -> PictureEmbeddings | None:
        """Read the cached entry of a picture; None if it is missing or damaged.

        Args:
            content_hash: sha256 of its file.
        """
        return self.load_many([content_hash]).get(content_hash)

    def load_many(self, content_hashes: Iterable[str]) -> dict[str, PictureEmbeddings]:
        """Read the cached entries of pictures.

        Args:
            content_hashes: sha256 of their files.

        Returns:
            By content hash, without those that are not cached.
        """
        found = {}
        for some in batched(dict.fromkeys(content_hashes), _READ_AT_ONCE):
            asked = {content_hash.encode(): content_hash for content_hash in some}
            for key, content in self._rows(list(asked)):
                entry = self._unpacked(key, content)
                if entry is not None and key in asked:
                    found[asked[key]] = entry
                elif not self._has_seen_damage:
                    self._has_seen_damage = True
                    # A damaged index would hide what is saved from now on.
                    if not self._database.check():
                        _log.warning("%s has damaged rows, which are rebuilt.", self._path)
        return found

    def save(self, content_hash: str, entry: PictureEmbeddings) -> None:
        """Cache a picture, if there is room for it and the file can be written."""
        self.save_many({content_hash: entry})

    def save_many(self, entries: Mapping[str, PictureEmbeddings]) -> None:
        """Cache pictures, if there is room for them and the file can be written.

        Args:
            entries: By content hash.
        """
        for some in batched(entries.items(), _WRITTEN_AT_ONCE):
            keys = [content_hash.encode() for content_hash, _ in some]
            rows = [(key, self._packed(key, one)) for key, (_, one) in zip(keys, some, strict=True)]
            self._database.write(partial(self._insert, rows), None)

    def discard(self, content_hash: str) -> None:
        """Remove a picture, whatever network embedded it."""
        key = content_hash.encode()
        if self._path.exists():
            self._database.write(partial(_forget, key), None)

    def prune(self, known: Collection[str]) -> None:
        """Remove pictures that are gone, and networks that were not used for long.

        Entries written since this was opened stay: another program may have recorded those
        pictures.

        Args:
            known: The content hashes of all pictures of the data set.
        """
        if not self._path.exists():
            return
        kept = {content_hash.encode() for content_hash in known}
        kinds = self._database.write(self._used_kinds, None)
        if kinds is None:
            return
        rows: list[tuple[bytes, bytes]] = self._database.read(_all_keys, [])
        gone = [
            (key, kind, self._opened_at if kind == self._kind else None)
            for key, kind in rows
            if kind not in kinds or (kind == self._kind and key not in kept)
        ]
        for some in batched(gone, _WRITTEN_AT_ONCE):
            self._database.write(partial(_delete, some), None)
        self._database.shrink()

    def close(self) -> None:
        """Close the file; it is opened again when it is used again."""
        self._database.close()

    def _rows(self, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
        places = ",".join("?" * len(keys))
        question = (
            f"SELECT content_hash, content FROM pictures WHERE content_hash IN ({places})"
            " AND kind = ?"
        )
        values = [*keys, self._kind]
        return self._database.read(
            lambda connection: connection.execute(question, values).fetchall(), []
        )

    def _insert(self, rows: list[tuple[bytes, bytes]], connection: sqlite3.Connection) -> None:
        now = time.time()
        connection.execute("INSERT OR IGNORE INTO kinds VALUES (?, ?, 0)", (self._kind, now))
        room = self._room(connection, sum(len(content) for _, content in rows))
        fitting = []
        for key, content in rows:
            if len(content) <= room:
                room -= len(content)
                fitting.append((key, self._kind, now, content))
        # Not INSERT OR REPLACE, which runs no trigger for what it deletes.
        connection.executemany(
            "DELETE FROM pictures WHERE content_hash = ? AND kind = ?",
            [row[:2] for row in fitting],
        )
        connection.executemany("INSERT INTO pictures VALUES (?, ?, ?, ?)", fitting)

    def _room(self, connection: sqlite3.Connection, needed: int) -> int:
        """Return how many bytes may still be kept; they are counted before anything is refused."""
        asked = "SELECT bytes FROM kinds WHERE kind = ?"
        kept = [number for (number,) in connection.execute(asked, (self._kind,))]
        if kept and isinstance(kept[0], int) and kept[0] >= 0:
            room = _MOST_BYTES - kept[0]
            if room >= needed or self._has_counted:
                return room
        # The sum may be damaged; after this the triggers keep it right.
        asked = "SELECT ifnull(sum(length(content)), 0) FROM pictures WHERE kind = ?"
        (count,) = connection.execute(asked, (self._kind,)).fetchone()
        connection.execute(
            "INSERT OR REPLACE INTO kinds VALUES (?, ?, ?)", (self._kind, time.time(), count)
        )
        self._has_counted = True
        return _MOST_BYTES - int(count)

    def _used_kinds(self, connection: sqlite3.Connection) -> frozenset[bytes]:
        """Mark this kind as used, and return the kinds that are kept."""
        now = time.time()
        connection.execute("INSERT OR IGNORE INTO kinds VALUES (?, ?, 0)", (self._kind, now))
        connection.execute("UPDATE kinds SET used_at = ? WHERE kind = ?", (now, self._kind))
        kinds = connection.execute("SELECT kind FROM kinds ORDER BY used_at DESC, kind").fetchall()
        connection.executemany("DELETE FROM kinds WHERE kind = ?", kinds[_KEPT_KINDS:])
        return frozenset(kind for (kind,) in kinds[:_KEPT_KINDS])

    def _packed(self, key: bytes, entry: PictureEmbeddings) -> bytes:
        body = b"".join(
            (
                _HEAD.pack(*entry.size),
                np.packbits(entry.fingerprint).tobytes(),
                np.ascontiguousarray(entry.small, dtype=np.uint8).tobytes(),
                np.ascontiguousarray(entry.embeddings, dtype="<f4").tobytes(),
            )
        )
        return body + self._checksum(key, body).to_bytes(_CHECKSUM_BYTES, "little")

    def _unpacked(self, key: object, content: object) -> PictureEmbeddings | None:
        """Read a row, which may hold anything; None where it is damaged or of another width."""
        if not isinstance(key, bytes) or not isinstance(content, bytes):
            return None
        numbers = len(content) - _EMBEDDINGS_AT - _CHECKSUM_BYTES
        if numbers <= 0 or numbers % (4 * self.width) != 0:
            return None
        body = memoryview(content)[:-_CHECKSUM_BYTES]
        if self._checksum(key, body) != int.from_bytes(content[-_CHECKSUM_BYTES:], "little"):
            return None
        bits = np.frombuffer(content, np.uint8, _FINGERPRINT_BYTES, _HEAD.size)
        small = np.frombuffer(content, np.uint8, _EMBEDDINGS_AT - _SMALL_AT, _SMALL_AT)
        embeddings = np.frombuffer(content, "<f4", numbers // 4, _EMBEDDINGS_AT)
        width, height = _HEAD.unpack_from(content)
        return PictureEmbeddings(
            embeddings.reshape(-1, self.width),
            np.unpackbits(bits).view(np.bool_),
            (width, height),
            small.reshape(_SMALL_SHAPE),
        )

    def _checksum(self, key: bytes, body: bytes | memoryview) -> int:
        # Of the key too: a damaged index can lead to another picture's row.
        return zlib.crc32(body, zlib.crc32(key + self._kind))


def _all_keys(connection: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
    return connection.execute("SELECT content_hash, kind FROM pictures").fetchall()


def _forget(key: bytes, connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM pictures WHERE content_hash = ?", (key,))


def _delete(
    rows: Iterable[tuple[bytes, bytes, float | None]], connection: sqlite3.Connection
) -> None:
    connection.executemany(
        "DELETE FROM pictures WHERE content_hash = ? AND kind = ?"
        " AND written_at < ifnull(?, 9e999)",
        rows,
    )


def _remove_former(folder: Path) -> None:
    """Remove the folder that earlier versions kept, where it holds nothing but what they wrote."""
    with suppress(OSError):
        if folder.is_symlink() or not folder.is_dir():
            return
        kinds = list(folder.iterdir())
        files = [path for kind in kinds if _is_former_kind(kind) for path in kind.iterdir()]
        if all(map(_is_former_kind, kinds)) and all(map(_is_former_file, files)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_former_kind(path: Path) -> bool:
    return bool(_FORMER_KIND.fullmatch(path.name)) and path.is_dir() and not path.is_symlink()


def _is_former_file(path: Path) -> bool:
    return bool(_FORMER_FILE.fullmatch(path.name)) and path.is_file() and not path.is_symlink()
