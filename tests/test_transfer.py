"""The table of networks, layers and colours."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import transfer
from tests.coloured_pictures import write_coloured_pictures

SMALL = ["--input-size", "64", "--quick"]


def rows(said: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in said.splitlines()
        if line.startswith("|")
    ][2:]


def test_each_data_set_has_a_row_in_colour_and_in_grey(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "one", 10)
    write_coloured_pictures(tmp_path / "other", 6, seed=1)
    both = f"{tmp_path / 'one'},{tmp_path / 'other'}"
    transfer.main(
        [both, str(tmp_path / "one"), "--backbones", "squeezenet1_1", "--ways", "freeze",
         "--weights-folder", str(squeezenet_weights.parent), *SMALL]
    )  # fmt: skip
    found = rows(capsys.readouterr().out)
    assert [row[3] for row in found] == ["colour", "grey", "colour", "grey"]
    assert [row[6] for row in found[:2]] == ["12", "12"]
    assert float(found[0][4]) == 1.0
    assert float(found[1][4]) < 1.0  # blue and red of one brightness


def test_the_tutorials_way_learns_too(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "one", 10)
    transfer.main(
        [str(tmp_path / "one"), "--backbones", "squeezenet1_1", "--ways", "tutorial",
         "--colours", "colour", "--weights-folder", str(squeezenet_weights.parent), *SMALL]
    )  # fmt: skip
    (found,) = rows(capsys.readouterr().out)
    assert found[1:4] == ["squeezenet1_1", "tutorial", "colour"]
    assert float(found[4]) == 1.0


def test_weights_that_do_not_fit_are_skipped_and_said(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "one", 8)
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "alexnet.safetensors").write_bytes(squeezenet_weights.read_bytes())
    transfer.main(
        [str(tmp_path / "one"), "--backbones", "alexnet", "--ways", "freeze",
         "--weights-folder", str(weights), *SMALL]
    )  # fmt: skip
    said = capsys.readouterr()
    assert rows(said.out) == []
    assert "does not hold weights of alexnet" in said.out
    assert "does not hold weights of alexnet" in said.err
