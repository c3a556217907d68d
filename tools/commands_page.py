"""Write docs/commands.md from the commands' own parsers: `python -m tools.commands_page`.

A test fails where the page is not what this writes.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from webcam_classifier import progress
from webcam_classifier.cli import __main__ as program
from webcam_classifier.command_names import PROGRAM, SCRIPTS, of_package
from webcam_classifier.evaluation import metrics_file

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"

EXIT_CODES: Mapping[int, str] = {
    0: "Done, or the reader of its output is gone.",
    1: "A problem that you can fix: the sentence after `error:` says what, and what to do. "
    "`doctor`: there is a problem.",
    2: "An unknown option, or options that exclude each other.",
    129: "The terminal was closed (SIGHUP): ended as cleanly as with Ctrl-C. With `nohup` commands "
    "go on.",
    130: "Ctrl-C. What was complete is kept.",
    143: "Ended by the system (SIGTERM), as cleanly as with Ctrl-C.",
}
"""What each exit code says."""

ENVIRONMENT: Mapping[str, str] = {
    "XDG_CACHE_HOME": "Where the cache folder `webcam-classifier` is (default: `~/.cache`).",
    "XDG_STATE_HOME": "Where events wait that MQTT could not publish yet (default: "
    "`~/.local/state`).",
    "ORT_DISABLE_TELEMETRY": "onnxruntime's telemetry is switched off unless this is set; "
    "`0` leaves it on.",
    "OPENCV_LOG_LEVEL": "How much OpenCV prints (default: nothing that isn't an error of yours).",
    "OPENCV_FFMPEG_LOGLEVEL": "How much FFmpeg prints while it opens a video (default: nothing).",
    "DISPLAY": "The X display that windows open on.",
    "WAYLAND_DISPLAY": "The Wayland display, where OpenCV's windows can use one.",
    "QT_QPA_PLATFORM": "What Qt draws OpenCV's windows with; where it is set, no display is "
    "looked for.",
    "SSH_CONNECTION": "Where it is set, `studio` opens no browser: nobody would see it.",
    "USER": "The name in the `ssh` command that `studio` prints.",
    "NOTIFY_SOCKET": "Set by systemd: where `live` says that it is ready and works.",
    "WATCHDOG_USEC": "Set by systemd: after how many microseconds of silence it restarts `live`.",
    "WATCHDOG_PID": "Set by systemd: which process that is said of.",
    "PYTHONPATH": "Passed on to the processes that train and export beside the live picture.",
    "OMP_WAIT_POLICY": "How torch's threads wait for each other in `train`: `PASSIVE` unless it is "
    "set, which is faster beside other work.",
    "WORLD_SIZE": "Set by `torchrun`: how many processes fine-tune together.",
    "RANK": "Set by `torchrun`: the number of this one.",
    "LOCAL_RANK": "Set by `torchrun`: its number on this machine.",
}
"""What is read from the environment."""

_HEAD = f"""\
# All commands

<!-- Written by `make commands` from the commands' own parsers. Change the help texts, not this. -->

The package installs one command, `{PROGRAM}`. In a checkout each of its subcommands is a script as
well, which is the same code: `python train.py` is `{PROGRAM} train`, and `python -m export` is
`{PROGRAM} export`.

"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE}")


def page() -> str:
    """Return the whole page as Markdown."""
    parts = [_HEAD, "| command | what it does |\n| --- | --- |\n"]
    parts += [
        f"| [`{name}`](#{name}) | {purpose} |\n" for name, purpose in program.COMMANDS.items()
    ]
    parts += ["\nOptions before the command:\n\n", *_table(program.build_parser())]
    for name in program.COMMANDS:
        parts += _command(name)
    parts.append("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n")
    parts += [f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items()]
    parts.append("\n## Environment variables\n\n| variable | what it does |\n| --- | --- |\n")
    parts += [f"| `{name}` | {meaning} |\n" for name, meaning in ENVIRONMENT.items()]
    parts.append("\n## Events\n\n")
    parts.append(f"`{PROGRAM} --events COMMAND` writes them to standard output.\n\n")
    parts.append(_docstring(progress.__doc__).partition("\n\n")[2])
    parts.append("\n\nStages: " + ", ".join(f"`{stage.value}`" for stage in progress.Stage) + ".\n")
    parts.append("\n## metrics.json\n\n")
    parts.append(_docstring(metrics_file.__doc__).partition("\n\n")[2] + "\n")
    return "".join(parts)


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command."""
    module = importlib.import_module(f"webcam_classifier.cli.{name}")
    parser = module.build_parser()
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


def options_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield what a parser takes and tells of, --help aside."""
    for action in parser._actions:  # argparse has no public way to ask
        if action.dest != "help" and action.help != argparse.SUPPRESS:
            yield action


def _command(name: str) -> Iterator[str]:
    parser = parser_of(name)
    script = f", or `python {name}.py`" if name in SCRIPTS else ""
    script = ", or `python -m export`" if name == "export" else script
    yield f"\n## {name}\n\n`{PROGRAM} {name}`{script}\n\n"
    yield _manual(parser)
    table = list(_table(parser))
    if table:
        yield "\n"
        yield from table
    if parser.epilog and "sources:" in parser.epilog:
        yield "\n" + _fenced(parser.epilog.partition("sources:\n")[2])


def _manual(parser: argparse.ArgumentParser) -> str:
    """A command's own description and examples, as Markdown."""
    examples = (parser.epilog or "").partition("sources:\n")[0].replace("%%", "%")
    examples = examples.partition("examples:\n")[2]
    text = of_package("\n\n".join([parser.description or "", examples]).strip())
    lines: list[str] = []
    for paragraph in re.split(r"\n{2,}", text):
        is_code = paragraph.lstrip().startswith("$ ")
        lines.append(_fenced(paragraph) if is_code else f"{paragraph.strip()}\n")
    return "\n".join(lines)


def _table(parser: argparse.ArgumentParser) -> Iterator[str]:
    rows = [f"| {_names(action)} | {_help(parser, action)} |\n" for action in options_of(parser)]
    if rows:
        yield "| option | what it does |\n| --- | --- |\n"
        yield from rows


def _names(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else None
    if value is None and action.choices is not None:
        value = "{" + ",".join(str(choice) for choice in action.choices) + "}"
    if not action.option_strings:
        return f"`{value or action.dest}`"
    takes_value = action.nargs != 0
    value = value or action.dest.upper()
    return ", ".join(
        f"`{name} {value}`" if takes_value else f"`{name}`" for name in action.option_strings
    )


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = parser._get_formatter()._expand_help(action)
    text = text.replace(" (default: True)", "")  # added by some versions of argparse
    return of_package(" ".join(text.split())).replace("|", "\\|")


def _fenced(text: str) -> str:
    lines = text.strip("\n").splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "```\n" + "\n".join(line[margin:].rstrip() for line in lines) + "\n```\n"


def _docstring(text: str | None) -> str:
    return (text or "").strip()


if __name__ == "__main__":
    main()
