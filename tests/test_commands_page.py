"""The documentation of options, exit codes, environment variables and events is complete."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.commands_page import ENVIRONMENT, EXIT_CODES, PAGE, options_of, page, parser_of
from webcam_classifier import progress
from webcam_classifier.cli.__main__ import COMMANDS

_PACKAGE = Path(__file__).resolve().parents[1] / "webcam_classifier"
_SET_FOR_CHILDREN = {"TMPDIR", "TEMP", "TMP"}


def test_the_page_is_what_the_parsers_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make commands`"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text_and_is_on_the_page(command: str) -> None:
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {command}\n")[2].partition("\n## ")[0]
    assert text
    for action in options_of(parser_of(command)):
        assert action.help, f"{command} {action.dest}"
        for name in action.option_strings or [str(action.metavar or action.dest)]:
            assert f"`{name}" in text


def test_every_environment_variable_is_explained() -> None:
    found = {
        name
        for path in _PACKAGE.rglob("*.py")
        for name in variables_in(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found - _SET_FOR_CHILDREN == set(ENVIRONMENT)


def test_every_exit_code_is_explained() -> None:
    found = {
        node.args[0].value
        for path in _PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"sys.exit", "exit", "os._exit", "SystemExit"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert found <= set(EXIT_CODES)
    assert {0, 1, 130} <= found | {1}


def test_every_event_and_field_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("\n## Events\n")[2]
    events = (progress.Progress, progress.Epoch, progress.Note, progress.Result, progress.Failed)
    for event in events:
        assert f'"{event.NAME}"' in text
    for stage in progress.Stage:
        assert f"`{stage.value}`" in text


def variables_in(tree: ast.Module) -> Iterator[str]:
    """Find what is asked of `os.environ`, directly or by a name of the module."""
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    code = ast.unparse(tree)
    if "os.environ" not in code:
        return
    for node in ast.walk(tree):
        asked: ast.expr | None = None
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            asked = node.slice
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("os.environ."):
            asked = node.args[0] if node.args else None
        elif isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]) == "os.environ":
            asked = node.left
        if isinstance(asked, ast.Constant) and isinstance(asked.value, str):
            yield asked.value
        elif isinstance(asked, ast.Name) and asked.id in constants:
            yield constants[asked.id]
        elif isinstance(asked, ast.Name) and asked.id == "name":
            # Asked for in turn: the names stand beside it.
            yield from {
                one.value
                for one in ast.walk(tree)
                if isinstance(one, ast.Constant)
                and isinstance(one.value, str)
                and one.value.isupper()
                and (one.value.endswith("DISPLAY") or one.value in _SET_FOR_CHILDREN)
            }
