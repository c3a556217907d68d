"""The package: its dependencies and files, in one place each, and the whole road from its wheel."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest
import tomli

from webcam_classifier.backbone.weights import cached_file
from webcam_classifier.command_names import PROGRAM, as_installed, is_checkout, of_package
from webcam_classifier.version import __version__

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGE = _ROOT / "webcam_classifier"
_DISTRIBUTIONS = {
    "ai_edge_litert": "ai-edge-litert",
    "cv2": "opencv-python",
    "PIL": "Pillow",
    "sklearn": "scikit-learn",
    "jinja2": "Jinja2",
    "markupsafe": "MarkupSafe",
    "onnxruntime_ep_openvino": "onnxruntime-ep-openvino",
    "paho": "paho-mqtt",
    "prometheus_client": "prometheus-client",
    "serial": "pyserial",
}
_COME_WITH_ANOTHER = {"anyio", "h11", "flatbuffers", "huggingface_hub"}
_UNDER_TEST = ("3.10", "3.11", "3.12", "3.13", "3.14")


def project() -> dict[str, object]:
    with (_ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, object] = tomli.load(file)["project"]
    return found


def extras() -> dict[str, list[str]]:
    found = project()["optional-dependencies"]
    assert isinstance(found, dict)
    return found


def dependencies() -> list[str]:
    found = project()["dependencies"]
    assert isinstance(found, list)
    return found


def requirements(name: str) -> set[str]:
    """What a file asks for itself, without the files that it includes."""
    lines = (_ROOT / name).read_text(encoding="utf-8").splitlines()
    found = {line.partition("#")[0].strip() for line in lines}
    return {line for line in found if line and not line.startswith("-r")}


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement)[0].lower()


def test_requirements_files_and_the_package_ask_for_the_same() -> None:
    assert requirements("requirements-live.txt") == set(dependencies())
    assert requirements("requirements-studio.txt") == set(extras()["studio"])
    assert requirements("requirements-events.txt") == set(extras()["events"])
    assert requirements("requirements.txt") == set(extras()["finetune"])
    assert requirements("requirements-device.txt") < set(dependencies())


def test_all_is_every_extra() -> None:
    named = re.search(r"\[(.*)\]", extras()["all"][0])
    assert named is not None
    assert set(named[1].split(",")) == set(extras()) - {"all"}


def test_what_is_imported_is_asked_for_and_what_is_asked_for_is_imported() -> None:
    imported = {name for path in _PACKAGE.rglob("*.py") for name in imports_of(path)}
    imported -= set(sys.stdlib_module_names) | {"webcam_classifier"}
    needed = {_DISTRIBUTIONS.get(name, name).lower() for name in imported}
    optional = {name_of(one) for name, many in extras().items() if name != "all" for one in many}
    asked = {name_of(one) for one in dependencies()} | optional
    assert needed - asked - _COME_WITH_ANOTHER == set()
    # These are found by name where they are installed: a provider, a server's protocol.
    assert asked - needed <= {
        "onnxruntime-ep-openvino", "onnxscript", "tqdm", "websockets",
    }  # fmt: skip


def test_constraints_pin_everything_that_is_asked_for() -> None:
    pinned = {name_of(line) for line in requirements("constraints.txt")}
    asked = [*dependencies(), *extras()["studio"], *extras()["finetune"], *extras()["events"]]
    assert {name_of(one) for one in asked} - pinned == set()


def test_the_version_is_said_in_one_place_and_in_the_change_log() -> None:
    assert project()["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert f"## [{__version__}]" in (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {__version__}" in (_ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_versions_of_python_are_those_that_are_tried() -> None:
    classifiers = project()["classifiers"]
    assert isinstance(classifiers, list)
    found = [one.rpartition(" ")[2] for one in classifiers if re.search(r":: 3\.\d+$", one)]
    assert tuple(found) == _UNDER_TEST
    assert project()["requires-python"] == f">={_UNDER_TEST[0]}"
    workflow = (_ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    assert all(f'"{version}"' in workflow for version in _UNDER_TEST)


def test_commands_are_named_as_they_are_installed() -> None:
    assert is_checkout()
    text = "Run `python train.py pictures/`, then python -m export; collect.py and /my/live.py"
    assert as_installed(text) == text
    assert of_package(text) == (
        f"Run `{PROGRAM} train pictures/`, then {PROGRAM} export; {PROGRAM} collect and /my/live.py"
    )
    assert of_package("`pip install -r requirements.txt`") == f"`pip install '{PROGRAM}[finetune]'`"


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module.split(".")[0]


# From the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git knows; skipped where what builds it can't be had."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(folder)]
    built = subprocess.run([*command, str(_ROOT)], capture_output=True, text=True)
    if built.returncode != 0:
        pytest.skip(f"no package index gives what builds a wheel: {built.stderr[-300:]}")
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `teach-camera` of an environment with nothing but the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("venv") / "env"
    venv.create(folder, with_pip=True)
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    command = [str(binaries / "python"), "-m", "pip", "install", "--quiet"]
    command += ["--constraint", str(_ROOT / "constraints.txt"), f"{wheel}[studio]"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no package index gives what the wheel asks for: {done.stderr[-300:]}")
    return binaries / PROGRAM


@pytest.mark.slow
def test_the_wheel_holds_all_that_is_no_python_too(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(name for name in names if name.endswith("/METADATA"))
        told = Parser().parsestr(archive.read(metadata).decode())
    ours = {
        path.relative_to(_ROOT).as_posix()
        for path in _PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours - names == set()
    assert {name for name in names if not name.startswith("teach_camera-")} == ours
    assert told["Name"] == PROGRAM
    assert told["Version"] == __version__
    assert {"LICENSE", "NOTICE"} <= {name.rpartition("/")[2] for name in names}


_GUARD = """
import socket, sys

def refuse(*arguments, **_):
    raise RuntimeError(f"something calls out: {arguments}")

def is_outside(address):
    return isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost")

class Guarded(socket.socket):
    def connect(self, address):
        return refuse(address) if is_outside(address) else super().connect(address)

    def connect_ex(self, address):
        return refuse(address) if is_outside(address) else super().connect_ex(address)

    def sendto(self, *arguments):
        return refuse(arguments[-1]) if is_outside(arguments[-1]) else super().sendto(*arguments)

socket.socket = Guarded
look_up = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: (
    look_up(host, *rest, **more) if host in (None, "", "localhost", "127.0.0.1") else refuse(host)
)
"""
"""A `sitecustomize` of the child: every Python that starts with it refuses to call out."""


class Installed:
    """The installed command, in a folder and a home of its own, in which nothing calls out."""

    def __init__(self, command: Path, folder: Path, weights: Path) -> None:
        (folder / "guard").mkdir()
        (folder / "guard" / "sitecustomize.py").write_text(_GUARD, encoding="utf-8")
        self.folder = folder / "work"
        self.folder.mkdir()
        cache = folder / "home" / ".cache" / "webcam-classifier"
        cache.mkdir(parents=True)
        shutil.copy(weights, cache / cached_file().name)  # as if it had been used before
        self._command = command
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "SYSTEMROOT") if key in os.environ}
        self._environment = kept | {
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(folder / "guard"),
            "PYTHONWARNINGS": "error",
            "PIP_INDEX_URL": "http://127.0.0.1:9/",  # nobody answers there
            "PIP_CONFIG_FILE": os.devnull,
        }

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(self._command), *arguments], cwd=self.folder, env=self._environment,
            capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        told = done.stdout + done.stderr
        assert done.returncode == code, told
        assert "Traceback" not in told
        assert "calls out" not in told
        return told

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        python = self._command.with_name("python")
        return subprocess.run(
            [str(python), "-c", code], cwd=self.folder, env=self._environment,
            capture_output=True, text=True,
        )  # fmt: skip


@pytest.fixture
def road(installed: Path, tmp_path: Path, squeezenet_weights: Path) -> Installed:
    return Installed(installed, tmp_path, squeezenet_weights)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_road_runs_from_the_wheel_and_nothing_calls_out(road: Installed) -> None:
    assert road.run("--version").strip() == f"{PROGRAM} {__version__}"
    found = json.loads(road.run("doctor", "--json"))
    assert {check["name"]: check["status"] for check in found["checks"]}["provider cpu"] == "ok"
    told = road.run("demo")  # collect, train, export, live
    assert f"$ {PROGRAM} train" in told
    assert f"next: {PROGRAM} live" in told
    assert "python train.py" not in told
    assert (road.folder / "demo_output" / "annotated.mp4").is_file()
    trained = road.folder / "demo_output" / "models" / "thumbs"
    assert (trained / "report.html").stat().st_size > 10_000
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["command"].startswith(f"{PROGRAM} train demo_output/dataset")
    road.run("collect", "thumbs_up", "--source", "demo::77", "--no-window", "--count", "2")
    assert "thumbs_up" in road.run("evaluate", str(trained), "dataset", "--json", "figures.json")
    road.run("export", str(trained), "--precision", "fp32", "--keep-anyway")
    told = road.run("live", str(trained / "model.fp32.onnx"), "--source", "demo::9", "--no-window",
                    "--frames", "20", "--json-lines", "labels.jsonl")  # fmt: skip
    assert "frames a second" in told
    lines = [json.loads(line) for line in (road.folder / "labels.jsonl").read_text().splitlines()]
    assert len(lines) == 20
    assert f"`{PROGRAM} collect" in road.run("train", "nowhere", code=1)
    told = road.run("train", "dataset", "--mode", "finetune", code=1)
    assert f"pip install '{PROGRAM}[finetune]'" in told


@pytest.mark.slow
def test_the_guard_of_the_road_refuses_to_call_out(road: Installed) -> None:
    code = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')"
    done = road.python(code)
    assert done.returncode == 1
    assert "calls out" in done.stderr


@pytest.mark.slow
def test_the_sources_can_be_built_again_from_their_archive(tmp_path: Path) -> None:
    pytest.importorskip("build", reason="the package `build` is not installed")
    command = [sys.executable, "-m", "build", "--sdist", "--outdir", str(tmp_path), str(_ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no package index gives what builds it: {done.stderr[-300:]}")
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {"pyproject.toml", "LICENSE", "webcam_classifier/web/page/index.html"} <= names
