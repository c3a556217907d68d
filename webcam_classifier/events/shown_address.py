"""Addresses as they may be shown: without a password."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"(?<=://)[^/?#]*@")  # greedy: a password may hold an @


def without_user_info(address: str) -> str:
    """Leave user and password out of an address; text that is none stays as it is."""
    return _USER_INFO.sub("", address)
