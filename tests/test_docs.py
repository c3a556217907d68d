"""The documentation: it builds without a warning, and each command in it is one that there is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.commands_page import parser_of
from webcam_classifier.cli.__main__ import COMMANDS
from webcam_classifier.command_names import SCRIPTS, of_package

_ROOT = Path(__file__).resolve().parents[1]
_SITE = sorted((_ROOT / "docs").rglob("*.md"))
_GENERATED = _ROOT / "docs" / "commands.md"
_PAGES = [_ROOT / "README.md", *(page for page in _SITE if page != _GENERATED)]
_FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|\s)teach-camera ([a-z]+)\b(.*)")
_PLACEHOLDERS = {"N": "3", "RATE": "8", "PRECISION": "int8", "NAME": "last-layer"}


def commands_in(page: Path) -> Iterator[str]:
    """Find the lines of code that call a command, as an installed package calls it."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in _FENCE.findall(text) for line in block.splitlines()]
    lines += re.findall(r"`((?:teach-camera|python [a-z]+\.py|python -m export) [^`\n]*)`", text)
    for line in lines:
        found = _COMMAND.search(of_package(re.split(r"\s{2,}|\s#|\s\|\s", line.strip())[0]))
        if found is not None and found[1] in COMMANDS and "..." not in found[2]:
            yield f"{found[1]}{found[2]}"


def is_accepted(command: str) -> bool:
    name, *arguments = [_PLACEHOLDERS.get(word, word) for word in shlex.split(command)]
    try:
        parser_of(name).parse_args(arguments)
    except SystemExit as end:
        return end.code == 0
    return True


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.relative_to(_ROOT).as_posix())
def test_every_command_on_a_page_can_be_typed(page: Path) -> None:
    refused = [command for command in commands_in(page) if not is_accepted(command)]
    assert refused == []


def test_commands_are_found_on_the_pages() -> None:
    found = {command.split()[0] for page in _PAGES for command in commands_in(page)}
    assert found == set(COMMANDS)
    assert set(SCRIPTS) < set(COMMANDS)


@pytest.mark.parametrize(
    "command", ["teach-camera live --smothing 3", "python train.py --mode heads"]
)
def test_a_command_that_there_is_not_would_be_noticed(command: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```\n{command}   # a comment\n```\n")
    (found,) = commands_in(page)
    assert not is_accepted(found)


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed (requirements-docs.txt)")
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    pytest.importorskip("mkdocstrings_handlers.python", reason="mkdocstrings is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cross_validate" in (tmp_path / "site" / "api" / "index.html").read_text("utf-8")
    pages = [page.relative_to(_ROOT / "docs").as_posix() for page in _SITE]
    named = (_ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(page in named for page in pages)
