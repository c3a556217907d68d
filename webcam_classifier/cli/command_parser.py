"""The argument parser of every command; its texts name commands as they are installed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from webcam_classifier.command_names import as_installed


class CommandParser(argparse.ArgumentParser):
    """Takes texts that name the scripts of a checkout, and shows the installed commands instead.

    Args:
        description: The beginning of --help; line breaks are kept.
        epilog: The end of --help.
    """

    def __init__(self, description: str, epilog: str | None = None) -> None:
        super().__init__(
            # If a module is run with -m, some versions of argparse take another name.
            prog=Path(sys.argv[0]).name or "teach-camera",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def format_help(self) -> str:
        """Return the whole text of --help."""
        return as_installed(super().format_help())

    def error(self, message: str) -> NoReturn:
        """Print a sentence and end with exit code 2."""
        super().error(as_installed(message))
