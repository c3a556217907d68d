"""What `doctor` says of this machine, and of machines that lack something."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from webcam_classifier.camera.device_list import CameraReport
from webcam_classifier.cli import device_checks, doctor
from webcam_classifier.cli.check import Check, Status
from webcam_classifier.cli.provider_checks import check_providers
from webcam_classifier.runtime.providers import installed_providers

_ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "webcam_classifier.cli", "doctor", *arguments],
        cwd=_ROOT, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip


def test_a_report_names_everything_and_no_home(tmp_path: Path) -> None:
    done = run("--json", HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.stderr == ""
    found = json.loads(done.stdout)
    names = {check["name"] for check in found["checks"]}
    assert {"Python", "teach-camera", "packages", "window", "OpenCV video", "extra finetune",
            "provider cpu", "pretrained weights", "cache folder", "disk here"} <= names  # fmt: skip
    assert any(name.startswith("camera") for name in names)
    assert str(tmp_path) not in done.stdout
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["pretrained weights"]["status"] == "note"
    assert done.returncode == int(any(c["status"] == "problem" for c in found["checks"]))


@pytest.mark.parametrize(("machine", "is_named"), [("x86_64", True), ("aarch64", False)])
def test_what_has_no_package_for_a_processor_is_not_advised(
    machine: str, is_named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    names = [check.name for check in device_checks.check_extras()]
    assert ("extra openvino" in names) is is_named
    assert "extra studio" in names


def test_every_provider_is_tried() -> None:
    checks = {check.name: check for check in check_providers()}
    assert set(checks) == {f"provider {name}" for name in installed_providers()}
    assert checks["provider cpu"].status is Status.FINE


def test_a_cache_that_cannot_be_written_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (check,) = device_checks.check_cache()
    assert check.status is Status.PROBLEM
    assert check.advice
    assert "not here yet" in device_checks.check_weights()[0].found


@pytest.mark.parametrize("has_fribidi", [True, False])
def test_scripts_without_a_font_are_told_with_what_to_install(
    has_fribidi: bool, tmp_path: Path
) -> None:
    """Asked of a system whose fontconfig knows no font, and of one without FriBiDi as well."""
    without = tmp_path / "fonts.conf"
    without.write_text("<fontconfig></fontconfig>")
    code = (
        "from webcam_classifier.cli.device_checks import check_fonts\n"
        "from PIL import features\n"
        f"features.check = lambda _: {has_fribidi}\n"
        "[check] = check_fonts()\n"
        "print(check.status.value, check.found, check.advice, sep='\\n')"
    )
    if shutil.which("fc-match") is None:
        pytest.skip("fontconfig is not installed")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"FONTCONFIG_FILE": str(without), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    status, found, advice = done.stdout.splitlines()
    assert status == "note"
    assert found.startswith("none for Arabic, Hebrew, Hindi")
    assert "emoji" in found
    packages = "fonts-noto-core" if has_fribidi else "libfribidi0 fonts-noto-core"
    assert f"sudo apt install {packages}" in advice
    assert "fonts-noto-color-emoji" in advice


def test_cameras_are_told_with_how_to_use_them_or_what_to_do() -> None:
    broken = CameraReport("/dev/video0", "Cam", problem="It is busy. Close zoom.")
    works = CameraReport("/dev/video2", "Other", agreed="640 x 480", measured_rate=29.97)
    checks = device_checks.describe_cameras([broken, works])
    assert [check.status for check in checks] == [Status.PROBLEM, Status.FINE]
    assert checks[0].advice == "It is busy. Close zoom."
    assert checks[1].advice == "Use it with --source /dev/video2."
    assert "--source demo" in device_checks.describe_cameras([])[0].advice


def test_what_is_not_installed_is_told_by_doctor_and_by_every_command(tmp_path: Path) -> None:
    for missing in ("safetensors", "onnxruntime"):
        (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError(name={missing!r})\n")
    done = run("--json", PYTHONPATH=str(tmp_path))
    assert done.stderr == ""
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert "can't be checked" in checks["providers"]["found"]
    assert "can't be checked" in checks["pretrained weights"]["found"]
    assert checks["Python"]["status"] == "ok"
    done = subprocess.run(
        [sys.executable, "-m", "webcam_classifier.cli", "train"],
        cwd=_ROOT, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: train needs the package ")
    assert "python -m webcam_classifier.cli doctor" in done.stderr


def test_a_list_says_what_to_do_under_each_thing_and_counts_problems() -> None:
    checks = [Check("a", Status.FINE, "one"), Check("bcd", Status.PROBLEM, "two", "Mend it.")]
    assert doctor.describe(checks).splitlines() == [
        "ok       a    one",
        "PROBLEM  bcd  two",
        "              Mend it.",
        "",
        "Problems: 1.",
    ]
