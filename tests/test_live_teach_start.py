from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.display_server import Display, display_server
from webcam_classifier.cli import live
from webcam_classifier.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    with display_server() as server:
        yield server


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_a_sentence_names_the_page_in_a_browser(tmp_path: Path) -> None:
    bare = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "live.py"), "--teach", "cup", "--source", "demo"],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "`python studio.py`" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a/b", "--source", "demo"], "'/' in it"),
        (["cup", "cup", "--source", "demo"], "given twice"),
        (["cup", "--source", "PICTURES"], "gives single pictures"),
    ],
)
def test_what_cannot_be_taught_is_refused(
    display: Display,
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISPLAY", display.environment["DISPLAY"])
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "one.png"), np.zeros((30, 40, 3), np.uint8))
    given = [str(tmp_path / "pictures") if each == "PICTURES" else each for each in arguments]
    with pytest.raises(UserError, match=sentence):
        live.main(["--teach", *given, "--dataset", str(tmp_path / "d")])
    assert not (tmp_path / "d").exists()


def test_teaching_loads_nothing_of_torch() -> None:
    check = (
        "import sys\n"
        "import webcam_classifier.ui.record_window, webcam_classifier.ui.save_job\n"
        "print([name for name in ('torch', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
