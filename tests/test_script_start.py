"""Ctrl-C while a script is still loading what it needs, which takes seconds on a small device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# The first import of a library is where somebody presses Ctrl-C.
_STOPPED = """
import os, runpy, signal, sys

class Stopping:
    def find_spec(self, name, path=None, target=None):
        if name in ("numpy", "cv2", "onnx"):
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.{signal})

sys.meta_path.insert(0, Stopping())
sys.argv = [{name!r}, "--help"]
run = runpy.run_module if {name!r} == "export" else runpy.run_path
run({name!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    "name",
    ["collect.py", "demo.py", "evaluate.py", "live.py", "studio.py", "train.py", "export"],
)
@pytest.mark.parametrize(("by", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_script_that_is_stopped_while_it_loads_says_so(name: str, by: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STOPPED.format(name=name, signal=by)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr


_MISTAKE = """
import time
from webcam_classifier.camera.connection import Connection
from webcam_classifier.cli.console import run_script

def main():
    connection = Connection(lambda: time.sleep(60), lambda *_: None, lambda *_: None)
    connection.let_go()
    raise ValueError("a mistake of ours")

run_script(main)
"""


def test_a_mistake_beside_a_camera_that_hangs_is_no_success() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MISTAKE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "ValueError: a mistake of ours" in done.stderr
    assert done.returncode == 1
