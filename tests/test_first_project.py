"""The first project of the documentation: its commands, in order, on the pictures it names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.some_pictures import copy_some

_ROOT = Path(__file__).resolve().parents[1]
_PAGE = _ROOT / "docs" / "first-project.md"
_FENCE = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NOT_RUN = {
    "git clone https://github.com/ardamavi/Sign-Language-Digits-Dataset digits": "network",
    "cd digits": "the pictures are there already",
    "teach-camera evaluate models/digits friend/": "the friend's pictures are the reader's",
    "teach-camera export models/digits --advise": "takes minutes, and has a test of its own",
    "teach-camera live models/digits": "camera and window",
    "teach-camera collect --dataset Dataset": "camera and window",
}
"""Lines of the page that are not run, with the reason."""


def lines_of_the_page() -> list[str]:
    blocks = _FENCE.findall(_PAGE.read_text(encoding="utf-8"))
    commands = re.compile(r"^(teach-camera|git|cd) ")
    return [line for block in blocks for line in block.splitlines() if commands.match(line)]


def test_what_is_not_run_is_on_the_page() -> None:
    assert set(_NOT_RUN) <= set(lines_of_the_page())


@pytest.mark.slow
def test_every_command_of_the_first_project_works(
    shared_data: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    assert squeezenet_weights.is_file()  # in the cache now, where the commands look
    copy_some(shared_data / "sign_digits", tmp_path / "Dataset", step=8)
    program = tmp_path / "bin" / "teach-camera"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m webcam_classifier.cli "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(_ROOT),
    }
    said: dict[str, str] = {}
    for line in dict.fromkeys(lines_of_the_page()):
        if line not in _NOT_RUN:
            done = subprocess.run(
                ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            said[line] = done.stdout
    assert len(said) == 4
    trained, asked, _, exported = said.values()
    assert re.search(r"^accuracy \d+\.\d %", trained, re.MULTILINE)
    assert len(asked.strip().splitlines()) >= 3
    answers = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert answers
    assert {"label", "confidence", "unknown"} <= set(answers[0])
    share = sum(answer["label"] == "3" for answer in answers) / len(answers)
    assert share > 0.8
    assert "model.int8.onnx" in exported
    assert (tmp_path / "models" / "digits" / "report.html").is_file()
    assert (tmp_path / "models" / "digits" / "model.int8.onnx").is_file()
