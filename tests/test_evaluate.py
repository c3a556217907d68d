"""Measuring a model on what live.py runs it on, and not only on the processor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.colour_model import write_colour_model
from webcam_classifier.cli import evaluate
from webcam_classifier.errors import UserError
from webcam_classifier.runtime.providers import (
    PROVIDERS,
    ProviderError,
    installed_providers,
)


@pytest.fixture
def colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_colour_model(tmp_path)


def test_the_processor_is_what_runs_it_and_is_named(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = colours / "figures.json"

    evaluate.main([str(colours / "model"), str(colours / "dataset"), "--json", str(figures)])

    told = capsys.readouterr().out
    assert "ms a picture on onnxruntime" in told
    assert "live shows 100 % correct, 0 % wrong, 0 % as unknown" in told
    assert "note: the file names don't say which pictures are one burst" in told
    found = json.loads(figures.read_text())
    assert (found["shown_right"], found["shown_wrong"], found["shown_unknown"]) == (1, 0, 0)
    assert found["bursts"] is not None
    assert json.loads(figures.read_text())["runtime"].endswith(" cpu")


def test_auto_measures_what_live_runs(colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(colours / "model"), str(colours / "dataset"), "--provider", "auto"]

    evaluate.main(command)

    assert "accuracy 100.0 %" in capsys.readouterr().out
    remembered = list((colours / "cache").rglob("choice-auto-0.json"))
    if len(installed_providers()) > 1:
        assert len(remembered) == 1


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "cpu"])
def test_a_named_provider_runs_it_or_says_why_not(
    colours: Path, provider: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(colours / "model"), str(colours / "dataset"), "--provider", provider]
    if provider in installed_providers():
        evaluate.main(command)
        assert f" {provider}" in capsys.readouterr().out
        return
    with pytest.raises(ProviderError, match=f"this onnxruntime has no {provider}"):
        evaluate.main(command)


def test_options_that_have_no_effect_are_refused(colours: Path) -> None:
    model, pictures = str(colours / "model"), colours / "dataset"
    with pytest.raises(UserError, match="--top is for one picture"):
        evaluate.main([model, str(pictures), "--top", "2"])
    (picture, *_) = sorted((pictures / "red").iterdir())
    with pytest.raises(UserError, match=r"--explain is for pictures in one folder"):
        evaluate.main([model, str(picture), "--explain", str(colours / "explained")])
    assert not (colours / "explained").exists()
