"""The benchmark of live teaching runs, and what it says is about what it did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import teach


def test_it_presses_watches_teaches_and_starts(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert squeezenet_weights.is_file()
    figures = tmp_path / "figures.jsonl"
    command = ["--counts", "21", "--presses", "2", "--seconds", "1.5", "--stretches", "1"]
    command += ["--starts", "1", "--keep", str(tmp_path), "--json", str(figures)]
    teach.main(command)
    found = json.loads(figures.read_text())
    assert found["count"] == 21
    assert found["starts"][0]["labels_at_start"] == 3, "the first label is one that was learnt"
    assert len(found["presses_ms"]) == 2
    assert all(0 < milliseconds < 5000 for milliseconds in found["presses_ms"])
    assert found["watching 0"]["rate"] > 3
    assert found["teaching 0"]["snapshots"] > 0
    assert len(found["starts"]) == 1
    said = capsys.readouterr().out
    assert "key press to changed answer" in said
    assert "start to first label" in said
    left = len(list((tmp_path / "snapshots-21").glob("*/*.jpg")))
    assert left == 21, "what was recorded is taken back"
