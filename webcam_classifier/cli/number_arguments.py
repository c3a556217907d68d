"""Parse numbers on the command line."""

from __future__ import annotations

import argparse

_HIGHEST_PORT = 65535


def parse_count(text: str) -> int:
    """Parse a whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def parse_number(text: str) -> float:
    """Parse a number; anything else gives -1, which is outside of every option's range."""
    try:
        return float(text)
    except ValueError:
        return -1.0


def parse_port(text: str) -> int:
    """Parse a TCP port, 0 to 65535."""
    if not (text.isascii() and text.isdecimal() and int(text) <= _HIGHEST_PORT):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port; write a number up to {_HIGHEST_PORT}"
        )
    return int(text)
