"""Remove passwords from addresses before they are shown."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"(?<=://)[^/?#]*@")  # greedy: a password may hold an @


def without_user_info(address: str) -> str:
    """Remove user and password from an address; other text is returned unchanged."""
    return _USER_INFO.sub("", address)
