"""The container images: their Dockerfiles, what goes into them, and their health check."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.health import problem_of
from tests.labelled_frames import an_event
from tests.test_live_loop import PacedCamera
from tests.tiny_model import write_tiny_model
from tools.commands_page import parser_of
from webcam_classifier.events.prometheus import PrometheusSink
from webcam_classifier.live.loop import LiveLoop
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import NO_PICTURE

_ROOT = Path(__file__).resolve().parents[1]
_DEPLOY = _ROOT / "deploy"
_DOCKERFILES = ("Dockerfile", "Dockerfile.jetson")


@pytest.mark.parametrize("name", _DOCKERFILES)
def test_hadolint_finds_nothing_in_a_dockerfile(name: str, tmp_path: Path) -> None:
    program = shutil.which("hadolint") or shutil.which("hadolint", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("hadolint is not installed (requirements-dev.txt)")
    done = subprocess.run([program, str(_DEPLOY / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / name
    wrong.write_text((_DEPLOY / name).read_text().replace("--no-cache-dir", ""))
    assert subprocess.run([program, str(wrong)], capture_output=True).returncode != 0


@pytest.mark.parametrize("name", _DOCKERFILES)
def test_what_is_copied_is_there_and_not_ignored(name: str) -> None:
    allowed = {
        line[1:] for line in (_ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (_DEPLOY / name).read_text(), re.MULTILINE)
    files = {file for line in copied for file in line.split()}
    assert files
    assert files <= allowed
    assert all((_ROOT / file).exists() for file in allowed)


@pytest.mark.parametrize("name", _DOCKERFILES)
def test_a_container_runs_a_command_that_there_is_and_not_as_root(name: str) -> None:
    text = (_DEPLOY / name).read_text()
    (command,) = re.findall(r"^CMD \[(.*)\]$", text, re.MULTILINE)
    subcommand, *arguments = shlex.split(command.replace(",", " "))
    options = parser_of(subcommand).parse_args(arguments)
    assert options.window is False
    assert options.metrics == "9464"
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users == ["10001"]


def test_what_the_composition_runs_is_a_command_that_there_is() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (requirements-docs.txt)")
    services = yaml.safe_load((_DEPLOY / "compose.yaml").read_text())["services"]
    camera = services["camera"]
    subcommand, *arguments = shlex.split(camera["command"])
    options = parser_of(subcommand).parse_args(arguments)
    assert options.mqtt == ["mqtt://broker/home/door"]
    assert set(camera["depends_on"]) <= set(services)
    build = camera["build"]
    assert ((_DEPLOY / build["context"]).resolve() / build["dockerfile"]).is_file()


def test_a_loop_is_healthy_while_it_labels_and_not_when_it_hangs(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    with PrometheusSink("127.0.0.1", 0, []) as sink:
        address = f"http://127.0.0.1:{sink.port}/metrics"
        assert "no frame was labelled" in problem_of(address, within=0.3)
        classifier = Classifier(tmp_path / "model.onnx")
        with LiveLoop(PacedCamera(50), classifier, record=sink.take_frame):
            assert problem_of(address, within=30) == ""
        assert "no frame was labelled" in problem_of(address, within=0.3)
        sink.take_event(an_event(0, NO_PICTURE))  # it is away, and is being opened again
        assert problem_of(address, within=0.3) == ""
    assert "no metrics" in problem_of(address, within=0.3)


def test_the_health_check_runs_as_a_program() -> None:
    command = [sys.executable, "-I", str(_DEPLOY / "health.py"), "http://127.0.0.1:9/metrics"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith("no metrics")
