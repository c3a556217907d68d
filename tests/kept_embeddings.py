"""What lies in a data set's cached embeddings, read without the code that is tested."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from webcam_classifier.dataset.embedding_cache import FILE_NAME


def kept_embeddings(dataset: Path) -> dict[tuple[str, str], float]:
    """Give when each picture was written, by kind and content hash."""
    if not (dataset / FILE_NAME).exists():
        return {}
    with closing(sqlite3.connect(dataset / FILE_NAME)) as connection:
        if not connection.execute("SELECT name FROM sqlite_master").fetchall():
            return {}  # it is just being made
        rows = connection.execute("SELECT kind, content_hash, written_at FROM pictures")
        return {(kind.decode(), key.decode()): written_at for kind, key, written_at in rows}
