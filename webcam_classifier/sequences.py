"""Take a sequence apart: batch after batch, or some of it evenly over all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of so many items in their order, the last one shorter where it has to be."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def evenly_spaced(items: Sequence[Item], most: int) -> list[Item]:
    """Take at most so many items, evenly over all, as of pictures that are listed by label."""
    count = min(most, len(items))
    if count < 2:
        return list(items[:count])
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]
