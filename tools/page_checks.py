"""Check the pages' code: types (its JSDoc, by tsc) and lint (Biome): `python -m tools.page_checks`.

Both come from npm once, at the versions and hashes of `page_code/package-lock.json`, and no script
of theirs runs at the installation. What the pages themselves need is not among them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_FOLDER = Path(__file__).parent / "page_code"
_INSTALLED = _FOLDER / "node_modules" / ".package-lock.json"
_TSC = ("node", "node_modules/typescript/bin/tsc", "--project")
_PAGES = tuple(
    f"../../webcam_classifier/{folder}" for folder in ("web/page", "web/live_page", "export/page")
)

CHECKS: tuple[tuple[str, ...], ...] = (
    (*_TSC, "tsconfig.json"),
    (*_TSC, "tsconfig.export.json"),
    ("node_modules/.bin/biome", "lint", "--config-path=.", "--error-on-warnings", *_PAGES),
)
"""Commands, run in `page_code/`."""


class UnavailableError(Exception):
    """The checkers are not here and can't be fetched; the text says why."""


def main() -> None:
    """Run all checks; exit code 1 where one finds something."""
    try:
        install()
    except UnavailableError as error:
        sys.exit(f"not checked: {error}")
    found = [report for check in CHECKS if (report := run(check))]
    print("\n".join(found) or "The pages' code is in order.")
    sys.exit(1 if found else 0)


def install() -> None:
    """Fetch the checkers, unless they are there as the lock file names them.

    Raises:
        UnavailableError: npm is missing, or can't reach its registry.
    """
    if shutil.which("npm") is None:
        raise UnavailableError("npm is not installed")
    lock = _FOLDER / "package-lock.json"
    if _INSTALLED.is_file() and _INSTALLED.stat().st_mtime >= lock.stat().st_mtime:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True)
    if done.returncode:
        raise UnavailableError(f"npm could not fetch tsc and Biome ({done.stderr.strip()[-300:]})")


def run(check: Sequence[str]) -> str:
    """Run one check.

    Args:
        check: One of `CHECKS`.

    Returns:
        What it found; empty where all is in order.
    """
    done = subprocess.run(check, cwd=_FOLDER, capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()


if __name__ == "__main__":
    main()
