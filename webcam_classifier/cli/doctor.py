"""Check this device and installation, and say what to do about each thing that is missing.

    $ python -m webcam_classifier.cli doctor             a list to read
    $ python -m webcam_classifier.cli doctor --json      for a bug report

Each execution provider runs a small graph, and each camera is switched on for a second. Nothing is
sent anywhere; the home folder is written as ~. Exit code 1 means that something can't work.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence

from webcam_classifier.cli.check import Check, Status
from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.device_checks import all_checks, without_home
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.command_names import as_installed
from webcam_classifier.version import __version__

_MARKS = {Status.FINE: "ok     ", Status.NOTE: "note   ", Status.PROBLEM: "PROBLEM"}


@library_messages()
def main(arguments: Sequence[str] | None = None) -> None:
    """Make all checks, and print them."""
    options = build_parser().parse_args(arguments)
    checks = all_checks()
    print(to_json(checks) if options.json else describe(checks), flush=True)
    if any(check.status is Status.PROBLEM for check in checks):
        sys.exit(1)


def build_parser() -> CommandParser:
    """Build the parser of the command."""
    parser = CommandParser(__doc__ or "")
    parser.add_argument("--json", action="store_true", help="print JSON instead, for a bug report")
    return parser


def describe(checks: Sequence[Check]) -> str:
    """Return the checks as text for a person, with what to do."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{_MARKS[check.status]}  {check.name:<{width}}  {check.found}")
        if check.advice:
            lines.append(f"{'':<{len(_MARKS[check.status]) + width + 4}}{check.advice}")
    problems = sum(check.status is Status.PROBLEM for check in checks)
    lines.append("")
    lines.append("Everything that is needed works." if not problems else f"Problems: {problems}.")
    return without_home(as_installed("\n".join(lines)))


def to_json(checks: Sequence[Check]) -> str:
    """Return the checks as JSON for a bug report."""
    listed = [dataclasses.asdict(check) | {"status": check.status.value} for check in checks]
    return without_home(
        as_installed(json.dumps({"version": __version__, "checks": listed}, indent=2))
    )
