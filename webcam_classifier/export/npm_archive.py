"""Fetch a package's archive with the user's npm, without running the package's code.

`npm pack` only downloads the archive: it runs no script of a package from a registry. Registry,
proxy, certificates and tokens are those of npm's configuration.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from webcam_classifier.cache_folder import cache_folder, read_cached_file
from webcam_classifier.errors import UserError
from webcam_classifier.storage import remove_stale_partials, write_atomically
from webcam_classifier.temporary_files import temporary_folder

_logger = logging.getLogger(__name__)

_WITHIN = 600.0  # seconds
_MOST_BYTES = 64_000_000  # of one file in an archive
_LONGEST_OUTPUT = 300  # characters of what npm printed

# Linux's prctl(2) with PR_SET_PDEATHSIG survives the exec. The parent may have ended before it.
_START_BOUND = """
import os, signal, sys
try:
    from ctypes import CDLL
    CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
except (ImportError, OSError, AttributeError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class NpmArchive:
    """An archive with its known hash.

    Attributes:
        package: Its name in the registry, without its scope.
        version: Of the package.
        integrity: `sha512-` and the hash of the archive in base64, as npm's lock files write it.
        scope: Of the package, without the @; empty where it has none.
    """

    package: str
    version: str
    integrity: str
    scope: str = ""

    @property
    def name(self) -> str:
        """Package and version, as an argument for npm."""
        scope = f"@{self.scope}/" if self.scope else ""
        return f"{scope}{self.package}@{self.version}"

    @property
    def file_name(self) -> str:
        """The name of the file that `npm pack` writes."""
        scope = f"{self.scope}-" if self.scope else ""
        return f"{scope}{self.package}-{self.version}.tgz"


def fetch_npm_archive(archive: NpmArchive) -> bytes:
    """Return the content of an archive, from the cache or else through npm.

    A cached file whose hash is not the pinned one is fetched again.

    Raises:
        UserError: It is not in the cache and can't be fetched, or npm returned another file.
    """
    cached = cache_folder() / archive.file_name
    content = read_cached_file(cached)
    if integrity(content) == archive.integrity:
        return content
    if content:
        _logger.warning("%s has changed, and is fetched again.", cached)
    _logger.info("fetching %s from npm (once)", archive.name)
    content = _pack(archive, cached)
    if integrity(content) != archive.integrity:
        raise UserError(
            f"What npm gave for {archive.name} is not the known archive (its "
            f"hash differs). Look at `npm config get registry`, or {_by_hand(archive, cached)}"
        )
    try:
        remove_stale_partials(cached.parent, recursive=False)
        write_atomically(cached, content)
    except UserError as error:
        _logger.warning("%s is fetched again the next time: %s", archive.file_name, error)
    return content


def integrity(content: bytes) -> str:
    """Return the hash of a file in npm's notation: `sha512-` and the hash in base64."""
    return f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"


def read_members(archive: bytes, names: Collection[str]) -> dict[str, bytes]:
    """Read files of an archive in one pass; nothing is unpacked.

    Args:
        archive: The content of a .tgz.
        names: Of the files, relative to the archive's folder `package/`.

    Returns:
        The content of the files by name.

    Raises:
        UserError: A file is missing, not a regular one, or too large.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=BytesIO(archive), mode="r|gz") as opened:
            for member in opened:
                name = member.name.removeprefix("package/")
                if name in names and member.isreg() and member.size <= _MOST_BYTES:
                    file = opened.extractfile(member)
                    found[name] = b"" if file is None else file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"The archive can't be read ({error}). Fetch it again.") from error
    missing = sorted(set(names) - set(found))
    if missing:
        raise UserError(
            f"The archive has no usable {', '.join(missing)}. Update this program: it names files "
            "of another version."
        )
    return found


def _pack(archive: NpmArchive, cached: Path) -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            f"npm is not installed, and {archive.package} comes from there once. Install Node.js, "
            f"or {_by_hand(archive, cached)}"
        )
    with temporary_folder() as folder:
        command = [npm, "pack", archive.name, "--loglevel=error"]
        try:
            # Run in another folder, where no package.json of the user affects it.
            done = subprocess.run(
                _bound([*command, "--ignore-scripts", "--pack-destination", str(folder)]),
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=_WITHIN,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(
                f"npm could not fetch {archive.name} ({error}). Try again, or "
                f"{_by_hand(archive, cached)}"
            ) from error
        written = folder / archive.file_name
        if done.returncode != 0 or not written.is_file():
            said = " ".join(done.stderr.split())[:_LONGEST_OUTPUT] or f"exit code {done.returncode}"
            raise UserError(
                f"npm could not fetch {archive.name} ({said}). Connect this "
                f"machine to its registry once, or {_by_hand(archive, cached)}"
            )
        return written.read_bytes()


def _bound(command: Sequence[str]) -> list[str]:
    """Wrap a command so that on Linux it ends with this process, even if this one is killed."""
    if sys.platform != "linux":
        return [*command]
    return [sys.executable, "-I", "-S", "-c", _START_BOUND, str(os.getpid()), *command]


def _by_hand(archive: NpmArchive, cached: Path) -> str:
    return f"put {archive.file_name} from a machine that has it at {cached}."
