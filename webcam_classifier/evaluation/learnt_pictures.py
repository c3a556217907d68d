"""Which pictures a model was trained on, by its card or by metrics.json beside it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from pathlib import Path

from webcam_classifier.evaluation.metrics_file import (
    HASHES_KEY,
    MODEL_HASH_KEY,
    read_metrics,
)
from webcam_classifier.model_card import ModelCard

_HASH_BYTES = 8  # of sha256: two of a million pictures are alike with a chance of 1 in 40 million


def pack_hashes(content_hashes: Iterable[str]) -> str:
    """Pack the hashes of a model's training pictures for its card.

    Args:
        content_hashes: sha256 of each picture's file, in hexadecimal.

    Returns:
        The first 8 bytes of each, sorted, one after the other, in base64: 11 characters a picture.
    """
    found = {bytes.fromhex(content)[:_HASH_BYTES] for content in content_hashes}
    return base64.b64encode(b"".join(sorted(found))).decode("ascii")


def learnt_pictures(model: Path, card: ModelCard) -> frozenset[str] | None:
    """Find the pictures that a model was trained on.

    They are in its card. For cards of earlier versions, they are in metrics.json beside the model,
    if that belongs to it.

    Args:
        model: The model file.
        card: Its card.

    Returns:
        As `short_hashes` shortens them; None if they are not known.
    """
    if card.learnt_hashes is not None:
        try:
            packed = base64.b64decode(card.learnt_hashes, validate=True)
        except (binascii.Error, ValueError):
            packed = b"?"
        if len(packed) % _HASH_BYTES:
            return None
        places = range(0, len(packed), _HASH_BYTES)
        return frozenset(packed[place : place + _HASH_BYTES].hex() for place in places)
    metrics = read_metrics(model)
    if metrics is None or not metrics_belong(metrics, model, card):
        return None
    hashes = metrics.get(HASHES_KEY)
    return frozenset(map(str, hashes)) if isinstance(hashes, list) else None


def metrics_belong(metrics: dict[str, object], model: Path, card: ModelCard) -> bool:
    """Whether a metrics.json belongs to a model, or to the one that it was converted from.

    Args:
        metrics: From `read_metrics`.
        model: The model file.
        card: Its card.
    """
    known = metrics.get(MODEL_HASH_KEY)
    if known is not None and not card.history:
        return bool(known == hashlib.sha256(model.read_bytes()).hexdigest())
    # Written by an earlier version, or converted since: the same lesson says the same of itself.
    same = (metrics.get("created_at"), metrics.get("data_hash"))
    return same == (card.created_at, card.data_hash)
