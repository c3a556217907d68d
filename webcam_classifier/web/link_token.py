"""The token in the link, which outlives a restart of the server but not a long pause.

It keeps out other machines, and other accounts of this one: to its loopback addresses everybody
who is logged in may connect. A page that is open somewhere reconnects by itself after a restart,
and it can only do so with the token that it has.
"""

from __future__ import annotations

import html
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from webcam_classifier.cache_folder import cache_folder

_BYTES = 32
_SHORTEST = 40  # characters that a token of 32 bytes has at least
_FORGOTTEN_AFTER = 12 * 3600.0  # seconds since the last start or end of a server on that port
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def link_token(port: int) -> str:
    """Return the token that a server on this port had lately, or else a new one.

    Args:
        port: As asked for; with 0, which is another one each time, the token is always new.
    """
    if port == 0:
        return secrets.token_urlsafe(_BYTES)
    path = _path(port)
    token = _kept(path) or secrets.token_urlsafe(_BYTES)
    with suppress(OSError):  # without a place to keep it, the next start has another link
        _write_private(path, token)
    return token


def keep_token(port: int) -> None:
    """Note that a server with this token ends now, so that the time without one counts."""
    with suppress(OSError):  # there is none for port 0, or none could be kept
        os.utime(_path(port))


@contextmanager
def private_page(link: str) -> Iterator[str]:
    """Have a browser led to the link without telling it on a command line, which all may read.

    It is a file that only this account can read; Jupyter opens its browser in the same way.

    Args:
        link: With the token.

    Yields:
        The address of the file; the link itself where there is no token in it, or no place for
        the file.
    """
    path = _folder() / f"open-{os.getpid()}.html"
    address = link
    if "token=" in link:
        goal = html.escape(link)
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Studio</title>'
            f'<meta http-equiv="refresh" content="0;url={goal}">'
            f'<a href="{goal}">Open the studio</a>'
        )
        with suppress(OSError):
            _write_private(path, page)
            address = path.as_uri()
    try:
        yield address
    finally:
        path.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # so that the file is ours, with our permissions
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _folder() -> Path:
    return cache_folder() / "studio"


def _path(port: int) -> Path:
    return _folder() / f"{port}.token"


def _kept(path: Path) -> str | None:
    try:
        facts = path.lstat()
        token = path.read_text()
    except (OSError, UnicodeDecodeError):
        return None
    is_private = stat.S_ISREG(facts.st_mode) and (os.name == "nt" or not facts.st_mode & _OTHERS)
    is_fresh = time.time() - facts.st_mtime < _FORGOTTEN_AFTER
    return token if is_private and is_fresh and len(token) >= _SHORTEST else None
