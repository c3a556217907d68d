"""The token in the link, which survives a restart of the server but not a long pause.

It keeps out other machines and other accounts of this one, since everybody who is logged in can
connect to loopback. It survives a restart because an open page reconnects by itself, with the token
that it has.
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
_SHORTEST = 40  # characters; a token of 32 bytes has more
_FORGOTTEN_AFTER = 12 * 3600.0  # seconds since the last start or end of a server on that port
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def link_token(port: int) -> str:
    """Return the token of the last server on this port, or a new one if that is too long ago.

    Args:
        port: As asked for; with 0, which takes any free port, the token is always new.
    """
    if port == 0:
        return secrets.token_urlsafe(_BYTES)
    path = _path(port)
    token = _kept(path) or secrets.token_urlsafe(_BYTES)
    with suppress(OSError):  # if it can't be kept, the next start has another link
        _write_private(path, token)
    return token


def keep_token(port: int) -> None:
    """Note that the server ends now: the token is forgotten some time after that."""
    with suppress(OSError):  # there is no file for port 0, or it could not be written
        os.utime(_path(port))


@contextmanager
def private_page(link: str) -> Iterator[str]:
    """Make a page that forwards to the link, since every account can read a command line.

    Only this account can read the file; Jupyter opens its browser in the same way.

    Args:
        link: The link with the token.

    Yields:
        The URL of the file; the link itself if it has no token, or the file can't be written.
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
    # Where the clock was set back since, it would be fresh until the clock is there again.
    is_fresh = abs(time.time() - facts.st_mtime) < _FORGOTTEN_AFTER
    return token if is_private and is_fresh and len(token) >= _SHORTEST else None
