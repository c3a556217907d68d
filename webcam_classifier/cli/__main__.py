"""All commands as one: `python -m webcam_classifier.cli COMMAND ...`.

    $ python -m webcam_classifier.cli train dataset --mode head
    $ python -m webcam_classifier.cli --events train dataset --mode head    for programs

With --events standard output holds nothing but lines of JSON that say how far the command is and
what came of it (`webcam_classifier/progress.py` describes them); its sentences go to standard
error.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from contextlib import ExitStack
from pathlib import Path

from webcam_classifier.cli.child import ending_with_parent
from webcam_classifier.cli.console import run_script
from webcam_classifier.cli.events import events_on_stdout

COMMANDS = ("collect", "train", "evaluate", "live", "studio", "export", "demo")


def main() -> None:
    """Run the command that is named."""
    parser = argparse.ArgumentParser(
        prog="python -m webcam_classifier.cli",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", action="store_true", help="write events to standard output")
    # For the jobs beside the live picture alone: what it is for stands in `ending_with_parent`.
    parser.add_argument("--ends-with-parent", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the command's own; try --help")
    options = parser.parse_args()
    with ExitStack() as stack:
        if options.ends_with_parent is not None:
            stack.enter_context(ending_with_parent(options.ends_with_parent))
        if options.events:
            stack.enter_context(events_on_stdout())
        command = importlib.import_module(f"webcam_classifier.cli.{options.command}")
        sys.argv = [f"{parser.prog} {options.command}", *options.arguments]
        run_script(command.main)


if __name__ == "__main__":
    main()
