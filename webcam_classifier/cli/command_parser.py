"""The argument parser of every command; its texts name commands as they are installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
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

    def refuse_unused(self, options: argparse.Namespace, mode: str, used: Collection[str]) -> None:
        """End the command if an argument was given that has no effect in the chosen mode.

        Args:
            options: The arguments it has parsed.
            mode: The name in `options` of the argument that chooses the mode.
            used: The names of the others that have an effect in it. An argument that has its
                default value may always stand.
        """
        names = {action.dest: _name(action) for action in self._actions}  # no public way to ask
        chosen = getattr(options, mode)
        value = f" {chosen}" if isinstance(chosen, str) else ""
        for action in self._actions:
            given = getattr(options, action.dest, action.default)
            if action.dest not in (mode, *used) and given not in (action.default, []):
                self.error(
                    f"{names[action.dest]} has no effect with {names[mode]}{value}: leave one of "
                    "them out"
                )


def _name(action: argparse.Action) -> str:
    """Return how an argument is written on the command line."""
    return action.option_strings[0] if action.option_strings else str(action.metavar)
