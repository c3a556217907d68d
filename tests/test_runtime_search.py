"""The first label comes before any measurement; a better runtime takes over beside the loop."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.tiny_model import write_tiny_model
from webcam_classifier.cli.runtime_search import RuntimeSearch, first_runtime
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.choice import AUTO, known_runtime
from webcam_classifier.runtime.device_name import physical_cores
from webcam_classifier.runtime.providers import ExecutionConfig
from webcam_classifier.temporary_files import temporary_folder_path

PROJECT = Path(__file__).resolve().parents[1]
ENDS_WITHIN = 300.0  # seconds; it gives way to all else that runs here

RED = np.full((48, 64, 3), (0, 0, 255), np.uint8)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "models" / "colours" / "model.onnx"
    write_tiny_model(path)
    return path


def begin(model: Path) -> Classifier:
    if physical_cores() == 1:
        pytest.skip("with one core there may be nothing to try")
    choice, others_are_left = first_runtime(model, AUTO, 0, pytest.fail)
    assert others_are_left
    assert choice.runtime == ExecutionConfig("cpu", physical_cores())
    return Classifier(model, choice.runtime)


def test_what_the_search_found_is_taken_over_said_and_remembered(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A library that prints to the search's standard output, as some do while they load.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'webcam_classifier.cli.runtime_search' in sys.orig_argv: print('[I] a library says')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    classifier = begin(model)
    said: list[str] = []
    with RuntimeSearch(classifier, 0, said.append) as search:
        assert classifier.classify(RED).label == "red", "it answers while others are tried"
        assert search.wait(ENDS_WITHIN)
    assert classifier.classify(RED).label == "red"
    assert said[0].startswith("trying cpu")
    assert said[-1].startswith((f"now runs on {classifier.runtime} (measured", "stays on "))
    remembered = known_runtime(model, AUTO, 0, pytest.fail)
    assert remembered is not None
    assert classifier.runtime.endswith(remembered.runtime.describe())
    assert first_runtime(model, AUTO, 0, pytest.fail) == (remembered, False)


def test_a_search_that_is_cut_short_leaves_nothing(model: Path) -> None:
    classifier = begin(model)
    before = classifier.runtime
    said: list[str] = []
    place, own = temporary_folder_path().parent, f"webcam-classifier.*-{os.getpid()}-*"
    folders = set(place.glob(own))
    with RuntimeSearch(classifier, 0, said.append):
        pass
    assert classifier.runtime == before
    assert not [line for line in said if not line.startswith("trying")]
    assert known_runtime(model, AUTO, 0, pytest.fail) is None
    assert set(place.glob(own)) == folders


def test_a_model_that_was_trained_anew_meanwhile_is_not_taken_over(model: Path) -> None:
    classifier = begin(model)
    write_tiny_model(model, ("hot", "cold"))
    said: list[str] = []
    with RuntimeSearch(classifier, 0, said.append) as search:
        assert search.wait(ENDS_WITHIN)
    assert "stays on" in said[-1]
    assert "another model than the one that runs" in said[-1]
    assert classifier.classify(RED).label == "red"


def test_live_begins_at_once_and_says_what_it_runs_on_in_the_end(model: Path) -> None:
    command = [sys.executable, "live.py", str(model), "--source", "demo", "--no-window"]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = []
    assert process.stderr is not None
    with process:
        for line in process.stderr:
            said.append(line)
            if line.startswith(("now runs on", "stays on")):
                process.terminate()
    begun = [line for line in said if line.startswith("runs on")]
    assert len(begun) == 1
    if physical_cores() > 1:
        assert "(to begin with)" in begun[0]
        assert [line for line in said if line.startswith(("now runs on", "stays on"))]
        assert "median" in "".join(said), "the summary comes after the change"


def test_what_is_stored_is_labelled_by_one_runtime(model: Path, tmp_path: Path) -> None:
    picture = tmp_path / "red.png"
    cv2.imwrite(str(picture), RED)
    done = subprocess.run(
        [sys.executable, "live.py", str(model), "--source", str(picture)],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "to begin with" not in done.stderr
    assert "now runs on" not in done.stderr
    assert "red.png: red" in done.stdout
