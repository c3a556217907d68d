"""The argument parser of every command, which names commands as this installation has them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from webcam_classifier.command_names import as_installed


class CommandParser(argparse.ArgumentParser):
    """Takes texts that name a checkout's scripts, and shows what a person can type here.

    Args:
        description: What --help says first; line breaks are kept.
        epilog: What it says last.
    """

    def __init__(self, description: str, epilog: str | None = None) -> None:
        super().__init__(
            # argparse takes another name where a module is run with -m, and not in all versions.
            prog=Path(sys.argv[0]).name or "teach-camera",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def format_help(self) -> str:
        """All of --help."""
        return as_installed(super().format_help())

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and a sentence."""
        super().error(as_installed(message))
