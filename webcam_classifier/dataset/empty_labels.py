"""Which labels name a room with nothing to recognise in it, such as `none`."""

from __future__ import annotations

import re
from collections.abc import Sequence

_EMPTY_WORDS = frozenset(
    {"none", "nothing", "nobody", "empty", "background", "blank", "nichts", "niemand", "leer"}
) | frozenset({"hintergrund", "rien", "vide", "fond", "nada", "vacio", "fondo", "niente", "vuoto"})


def empty_labels(labels: Sequence[str]) -> tuple[int, ...]:
    """Tell which labels name a room with nothing to recognise in it, such as `none`.

    Args:
        labels: The names as the user wrote them.

    Returns:
        Their places among the labels.
    """
    words = [set(re.findall(r"[^\W\d_]+", label.lower())) for label in labels]
    return tuple(place for place, found in enumerate(words) if found & _EMPTY_WORDS)
