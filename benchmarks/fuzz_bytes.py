"""Change bytes at random places, as every fuzzer does."""

from __future__ import annotations

from random import Random
from typing import Literal

_EXTREMES = (0x00, 0x01, 0x7F, 0x80, 0xFF)


def changed_bytes(content: bytes, random: Random) -> bytes:
    """Change, cut, double or shuffle some bytes.

    Args:
        content: Of a file, at least 8 bytes.
        random: Decides.
    """
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        # Half of all changes are at the beginning, where formats say what follows.
        place = random.randrange(len(damaged))
        if random.random() < 0.5:
            place = random.randrange(min(len(damaged), 400))
        random.choice(_CHANGES)(damaged, place, random.choice((1, 2, 4, 8, 64, 1000)), random)
        if len(damaged) < 8:
            damaged += bytes(8)
    if random.random() < 0.1:
        del damaged[random.randrange(len(damaged)) :]
    return bytes(damaged)


def _set_extreme(damaged: bytearray, place: int, _length: int, random: Random) -> None:
    damaged[place] = random.choice(_EXTREMES)


def _flip_bit(damaged: bytearray, place: int, _length: int, random: Random) -> None:
    damaged[place] ^= 1 << random.randrange(8)


def _overwrite(damaged: bytearray, place: int, length: int, random: Random) -> None:
    damaged[place : place + length] = random.randbytes(length)


def _remove(damaged: bytearray, place: int, length: int, _random: Random) -> None:
    del damaged[place : place + length]


def _double(damaged: bytearray, place: int, length: int, _random: Random) -> None:
    damaged[place:place] = damaged[place : place + length]


def _copy_from_elsewhere(damaged: bytearray, place: int, length: int, random: Random) -> None:
    other = random.randrange(len(damaged))
    damaged[place : place + length] = damaged[other : other + length]


def _set_number(damaged: bytearray, place: int, _length: int, random: Random) -> None:
    order: Literal["big", "little"] = random.choice(("big", "little"))
    damaged[place : place + 4] = random.choice((0, 1, 2**31 - 1, 2**32 - 1)).to_bytes(4, order)


_CHANGES = (
    _set_extreme,
    _flip_bit,
    _overwrite,
    _remove,
    _double,
    _copy_from_elsewhere,
    _set_number,
)
