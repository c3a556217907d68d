"""All commands as one: `teach-camera COMMAND`, or `python -m webcam_classifier.cli COMMAND`.

With --events standard output holds nothing but lines of JSON that say how far the command is and
what came of it (`webcam_classifier/progress.py` describes them); its sentences go to standard
error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from webcam_classifier.cli.child import ending_with_parent
from webcam_classifier.cli.console import run_command, run_script
from webcam_classifier.cli.events import events_on_stdout
from webcam_classifier.command_names import PROGRAM
from webcam_classifier.version import __version__

COMMANDS: Mapping[str, str] = {
    "collect": "record labelled snapshots from a camera",
    "train": "train a model on labelled pictures",
    "evaluate": "measure a model on pictures that it has not seen",
    "live": "label what a camera sees, live; with --teach, train while you watch",
    "studio": "record, train, watch and export on a page in a browser",
    "export": "convert a model to another precision, or find the best for this device",
    "demo": "run everything on a simulated camera, in a minute",
    "doctor": "check this device and installation, and say what to do",
}
"""Every command with its purpose."""

_DESCRIPTION = """\
Teach a camera: record labelled snapshots, train a small network with them in seconds, and label
the live picture.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command named in the arguments."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return
    with ExitStack() as stack:
        if options.ends_with_parent is not None:
            stack.enter_context(ending_with_parent(options.ends_with_parent))
        if options.events:
            stack.enter_context(events_on_stdout())
        sys.argv = [f"{parser.prog} {options.command}", *options.arguments]
        run_script(lambda: run_command(options.command))


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the arguments before the command."""
    is_installed = Path(sys.argv[0]).stem == PROGRAM
    parser = argparse.ArgumentParser(
        prog=PROGRAM if is_installed else "python -m webcam_classifier.cli",
        description=_DESCRIPTION,
        epilog="commands:\n"
        + "\n".join(f"  {name:<10} {purpose}" for name, purpose in COMMANDS.items())
        + "\n\nEach says more with --help. Exit codes: 0 done, 1 a problem that you can fix, 2 a"
        "\nwrong option, 129 terminal closed, 130 Ctrl-C, 143 ended by the system.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"{PROGRAM} {__version__}", help="print the version"
    )
    parser.add_argument(
        "--events",
        action="store_true",
        help="for programs: write events as lines of JSON to standard output",
    )
    # Only for jobs beside the live picture; see `ending_with_parent`.
    parser.add_argument("--ends-with-parent", type=Path, help=argparse.SUPPRESS)
    parser.add_argument(
        "command", nargs="?", choices=COMMANDS, metavar="COMMAND", help="one of the commands below"
    )
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="...", help="arguments of the command"
    )
    return parser


if __name__ == "__main__":
    main()
