"""metrics.json, beside a model: what other programs need to know of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

METRICS_NAME = "metrics.json"
HASHES_KEY = "learnt_hashes"

_HASH_LENGTH = 16  # characters: enough to tell a user's pictures apart, short enough to list


def short_hashes(content_hashes: Iterable[str]) -> list[str]:
    """Shorten sha256 hashes of pictures to what metrics.json lists.

    Args:
        content_hashes: In hexadecimal.
    """
    return [content[:_HASH_LENGTH] for content in content_hashes]


def learnt_hashes(model: Path) -> frozenset[str]:
    """Give the pictures that a model learnt from, by their short hashes.

    Without the file, or with one that tells nothing, none are known.

    Args:
        model: The model file.
    """
    try:
        metrics = json.loads(model.with_name(METRICS_NAME).read_text(encoding="utf-8"))
        return frozenset(metrics[HASHES_KEY])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
