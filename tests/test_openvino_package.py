"""OpenVINO itself, where its plugin of onnxruntime finds no processor: the same answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_model import write_tiny_model
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.openvino_package import import_openvino, open_with_openvino
from webcam_classifier.runtime.providers import (
    ExecutionConfig,
    installed_providers,
    is_library,
    provider_options,
)
from webcam_classifier.runtime.trial_pictures import blobs

PROJECT = Path(__file__).resolve().parents[1]
ON_ONE_THREAD = ExecutionConfig("openvino", 1)

pytestmark = pytest.mark.skipif(not is_library("openvino"), reason="openvino is not installed")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model.onnx"
    write_tiny_model(path, unknown_threshold=2.0)
    return path


def test_it_answers_as_the_processor_does(model: Path) -> None:
    assert "openvino" in installed_providers()
    plain, other = Classifier(model), Classifier(model, ON_ONE_THREAD)
    assert "openvino on 1 thread" in other.runtime
    assert other.card == plain.card
    for picture in blobs(32):
        expected, found = plain.classify(picture), other.classify(picture)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        assert found.unknown_score == pytest.approx(expected.unknown_score, abs=1e-5)


def test_answers_are_not_overwritten_by_the_next_run(model: Path, tmp_path: Path) -> None:
    options = provider_options(ON_ONE_THREAD, tmp_path)
    session = open_with_openvino(model, options, tmp_path / "kept")
    (taken,) = session.get_inputs()
    name = session.get_outputs()[0].name
    first, second = blobs(32)[:2]
    (before,) = session.run([name], {taken.name: first[np.newaxis]})
    expected = before.copy()
    session.run([name], {taken.name: second[np.newaxis]})
    np.testing.assert_array_equal(before, expected)


def test_what_was_compiled_is_opened_again_and_made_anew_where_it_was_damaged(
    model: Path, tmp_path: Path
) -> None:
    options = provider_options(ON_ONE_THREAD, tmp_path)
    folder = tmp_path / "kept"
    pictures = blobs(32)[:3]

    def answers() -> np.ndarray:
        session = open_with_openvino(model, options, folder)
        names = [value.name for value in session.get_outputs()]
        taken = session.get_inputs()[0].name
        return np.stack([session.run(names, {taken: one[np.newaxis]})[0] for one in pictures])

    expected = answers()
    blob = folder / "compiled.blob"
    written = blob.stat().st_mtime_ns
    np.testing.assert_array_equal(answers(), expected)
    assert blob.stat().st_mtime_ns == written
    damaged = bytearray(blob.read_bytes())
    damaged[len(damaged) // 2] ^= 255
    blob.write_bytes(bytes(damaged))
    np.testing.assert_array_equal(answers(), expected)
    assert blob.read_bytes() != bytes(damaged)


def test_its_converter_that_reports_to_its_maker_is_not_loaded() -> None:
    code = (
        "import sys; from webcam_classifier.runtime.openvino_package import import_openvino; "
        "import_openvino().Core(); assert 'openvino_telemetry' not in sys.modules; "
        "assert 'openvino.tools.ovc' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
    assert import_openvino().Core().available_devices
