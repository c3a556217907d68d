"""The command that writes a model in another precision, and compares both."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.colour_model import (
    ON_CPU,
    SIZE,
    colour_card,
    colour_graph,
    edge_graph,
    write_colour_model,
)
from webcam_classifier.cli import evaluate, export
from webcam_classifier.cli.export import main
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.errors import UserError
from webcam_classifier.export.agreement import equal_share
from webcam_classifier.export.precisions import PRECISIONS
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import ModelError
from webcam_classifier.runtime.providers import installed_providers


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    return write_colour_model(tmp_path)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_is_written_and_gives_the_same_answers(
    colours: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(colours / "model"), "--precision", precision, *ON_CPU])

    written = colours / f"model/model.{precision}.onnx"
    printed = capsys.readouterr().out
    assert "compared on 36 pictures: 18 validation and 18 test pictures" in printed
    assert "equal answers 36 of 36" in printed
    assert "verdict: " in printed
    images = tuple(load_labelled_pictures(colours / "dataset", SIZE).images)
    before, after = answers(colours / "model/model.onnx", images), answers(written, images)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    tolerance = {"fp32": 1e-4, "fp16": 0.01, "int8": 0.05}[precision]
    np.testing.assert_allclose(after, before, atol=tolerance)


def test_the_verdict_rests_on_size_speed_agreement_and_accuracy(
    colours: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(colours / "cache"))

    main([str(colours / "model"), "--precision", "int8"])

    printed = capsys.readouterr().out
    for row in ("accuracy ", "size ", "cpu on "):
        assert f"\n{row}" in printed
    assert ("\nas live runs it " in printed) is (len(installed_providers()) > 1)
    (verdict,) = (line for line in printed.splitlines() if line.startswith("verdict: "))
    assert re.match(
        r"verdict: (use it here: [\d.]+ times as fast as the original, \d+% of its size, "
        r"36 of 36 answers the same, accuracy 100.0 % instead of 100.0 %$"
        r"|not faster on this device \()",
        verdict,
    )


def test_a_provider_that_is_not_installed_is_refused_with_its_remedy(colours: Path) -> None:
    if "directml" in installed_providers():
        pytest.skip("DirectML is installed here")
    with pytest.raises(UserError, match=r"--provider directml: .* onnxruntime-directml"):
        main([str(colours / "model"), "--precision", "int8", "--provider", "directml"])


def test_the_card_travels_with_what_was_done_and_measured(colours: Path) -> None:
    original = Classifier(colours / "model/model.onnx").card

    main([str(colours / "model"), "--precision", "int8", *ON_CPU])

    card = Classifier(colours / "model/model.int8.onnx").card
    assert card.precision == "int8"
    assert (card.accuracy, card.accuracy_count) == (1.0, 18)
    assert len(card.history) == 1
    assert "calibrated on 36 training pictures" in card.history[0]
    assert "100.0 % of 36 answers equal" in card.history[0]
    assert replace(card, precision="fp32", accuracy=0.5, accuracy_count=7, history=()) == original


def test_numbers_that_overflow_equal_none() -> None:
    certain = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    overflowed = np.array([[np.nan, np.nan], [0.2, 0.8]], dtype=np.float32)

    assert equal_share(certain, certain) == 1.0
    assert equal_share(certain, overflowed) == 0.5


def test_evaluate_runs_a_converted_model(colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(colours / "model"), "--precision", "int8", *ON_CPU])
    capsys.readouterr()

    evaluate.main([str(colours / "model/model.int8.onnx"), str(colours / "dataset")])

    assert "accuracy 100.0 %" in capsys.readouterr().out


def test_other_answers_leave_no_file(colours: Path) -> None:
    write_model(edge_graph(), colour_card(colours / "dataset"), colours / "model/model.onnx")

    with pytest.raises(UserError, match=r"gives another answer on .* of 36 pictures"):
        main([str(colours / "model"), "--precision", "int8", *ON_CPU])

    assert sorted(path.name for path in (colours / "model").iterdir()) == [
        "metrics.json", "model.onnx",
    ]  # fmt: skip


def test_other_answers_are_kept_when_the_user_wants_them(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(edge_graph(), colour_card(colours / "dataset"), colours / "model/model.onnx")

    main([str(colours / "model"), "--precision", "int8", *ON_CPU, "--keep-anyway"])

    assert "verdict: The converted model gives another answer" in capsys.readouterr().out
    card = Classifier(colours / "model/model.int8.onnx").card
    assert "kept all the same: The converted model gives another answer" in card.history[0]


def test_a_converted_model_is_not_converted_again(colours: Path) -> None:
    main([str(colours / "model"), "--precision", "int8", *ON_CPU])

    with pytest.raises(UserError, match="is int8 already"):
        main([str(colours / "model/model.int8.onnx"), "--precision", "int8", *ON_CPU])


def test_the_original_is_never_overwritten(colours: Path) -> None:
    source = colours / "model/model.onnx"
    before = source.read_bytes()

    with pytest.raises(UserError, match="is the original"):
        main([str(source), "--precision", "fp16", *ON_CPU, "--output", str(source)])
    with pytest.raises(UserError, match="a folder is needed"):
        main([str(source), "--precision", "fp16", *ON_CPU, "--output", str(source / "x.onnx")])
    with pytest.raises(UserError, match="is a folder"):
        main([str(source), "--precision", "fp16", *ON_CPU, "--output", str(colours)])

    assert source.read_bytes() == before


def test_a_file_that_is_no_model_is_refused(colours: Path) -> None:
    bare = colours / "bare.onnx"
    bare.write_bytes(colour_graph().SerializeToString())
    cut = colours / "cut.onnx"
    cut.write_bytes((colours / "model/model.onnx").read_bytes()[:500])

    for path in (colours / "missing.onnx", bare, cut):
        with pytest.raises(ModelError):
            main([str(path), "--precision", "fp16", *ON_CPU])


def answers(path: Path, images: tuple[NDArray[np.uint8], ...]) -> NDArray[np.float32]:
    classifier = Classifier(path)
    return np.array([classifier.classify(image).probabilities for image in images])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--web", "page", "--pictures", "here"], "--pictures has no effect with --web"),
        (["--web", "page", "--provider", "cpu"], "--provider has no effect with --web"),
        (["--format", "tflite", "--provider", "cpu"], "no effect with --format tflite"),
        (["--precision", "tensorrt", "--keep-anyway"], "no effect with --precision tensorrt"),
        (["--advise", "--keep-anyway"], "--keep-anyway has no effect with --advise"),
    ],
)
def test_options_that_have_no_effect_are_refused(
    arguments: list[str], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        export.main(["models/thumbs", *arguments])
    assert sentence in " ".join(capfd.readouterr().err.split())
