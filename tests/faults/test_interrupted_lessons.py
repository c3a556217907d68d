"""What belongs together changes together, and a model knows by itself what it learnt from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from benchmarks import kill_writers, kill_writers_checks
from tests.coloured_pictures import write_coloured_pictures
from webcam_classifier.cli import evaluate, train
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.learnt_pictures import learnt_pictures, pack_hashes
from webcam_classifier.export.check_pictures import read_split
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model

_ROOT = Path(__file__).resolve().parents[2]
_FILES = ("metrics.json", "model.onnx", "report.html")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lessons") / "dataset"
    write_coloured_pictures(folder, count=8)
    return folder


@pytest.fixture(scope="module")
def lesson(pictures: Path, squeezenet_weights: Path) -> Path:
    output = pictures.parent / "model"
    train.main(command(pictures, squeezenet_weights, output))
    return output


def command(pictures: Path, weights: Path, output: Path | None) -> list[str]:
    given = [] if output is None else ["--output", str(output)]
    options = ["--mode", "head", "--input-size", "64", "--weights", str(weights)]
    return [str(pictures), *given, *options]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def run_train(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(_ROOT / "train.py"), *arguments],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip


def test_a_lesson_on_a_disk_that_fills_up_leaves_the_one_before_whole(
    lesson: Path, pictures: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, "5m"):  # a model has 3 MB
        output = disk / "model"
        shutil.copytree(lesson, output)
        before = {name: (output / name).read_bytes() for name in _FILES}
        again = run_train([*command(pictures, squeezenet_weights, output), "--seed", "1"])
        assert again.returncode == 1
        assert "The disk is full" in again.stderr
        assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_a_full_disk_for_temporary_files_is_named(
    pictures: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, "300k"):
        lesson = run_train(
            command(pictures, squeezenet_weights, tmp_path / "model"), TMPDIR=str(disk)
        )
        assert lesson.returncode == 1
        assert "TMPDIR" in lesson.stderr
        assert "Traceback" not in lesson.stderr
        assert list(disk.iterdir()) == []
    assert not (tmp_path / "model").exists()


@pytest.mark.timeout(300)
def test_every_writer_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    kills = {"recorder": 2, "train": 3, "graph cache": 2}
    tallies = kill_writers.run(kills, seed=0, at_once=2, folder=tmp_path)
    assert [(tally.kills, tally.problems) for tally in tallies] == [
        (count, []) for count in kills.values()
    ]


@pytest.mark.parametrize("damage", ["lost", "unreadable", "left_over"])
def test_the_count_of_what_is_lost_can_count(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "dataset" / "cup"
    write_coloured_pictures(tmp_path / "dataset", count=1)
    folder.mkdir()
    (tmp_path / "temporary").mkdir()
    tally = kill_writers_checks.Tally("recorder")
    told = ["dataset/cup/a.jpg 0123"] if damage == "lost" else []
    if damage == "unreadable":
        (folder / "a.jpg").write_bytes(b"\xff\xd8\xff")
    if damage == "left_over":
        (folder / ".a.jpg.0-1-2-3.partial").write_bytes(b"half")
        assert kill_writers.leftovers(tmp_path) == [folder / ".a.jpg.0-1-2-3.partial"]
        return
    kill_writers_checks.check_recorded(tmp_path, told, tally)
    assert getattr(tally, damage) == 1


def test_a_model_that_travelled_alone_knows_what_it_learnt_from(
    lesson: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(lesson / "model.onnx", tmp_path / "mine.onnx")
    figures = tmp_path / "figures.json"
    evaluate.main([str(tmp_path / "mine.onnx"), str(pictures), "--json", str(figures)])
    assert "warning: 16 of the 16 pictures were used in training" in capsys.readouterr().out
    assert json.loads(figures.read_text())["learnt_from"] == 16
    write_coloured_pictures(tmp_path / "new", count=5, seed=9)
    evaluate.main([str(tmp_path / "mine.onnx"), str(tmp_path / "new")])
    assert "used in training" not in capsys.readouterr().out


def test_a_model_of_an_earlier_version_says_what_it_cannot_know(
    lesson: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = json.loads((lesson / "metrics.json").read_text())
    del metrics["model_sha256"]
    old = replace(Classifier(lesson / "model.onnx").card, learnt_hashes=None)
    model = tmp_path / "model.onnx"
    write_model(onnx.load(lesson / "model.onnx"), old, model)
    evaluate.main([str(model), str(pictures)])
    assert "it is not known whether it was trained on these pictures" in capsys.readouterr().out
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    evaluate.main([str(model), str(pictures)])
    assert "warning: 16 of the 16 pictures were used in training" in capsys.readouterr().out
    # Of another lesson: what it lists was not learnt by this model.
    for foreign in (
        {"created_at": "2026-01-01T00:00:00+00:00"},
        {"data_hash": "0" * 64},
        {"model_sha256": "0" * 64},
    ):
        (tmp_path / "metrics.json").write_text(json.dumps(metrics | foreign))
        assert learnt_pictures(model, old) is None


@pytest.mark.parametrize("text", ["?", "QUJD", "Zm9v YmFy", "é"])
def test_damaged_hashes_in_a_card_tell_nothing(lesson: Path, text: str) -> None:
    card = replace(Classifier(lesson / "model.onnx").card, learnt_hashes=text)
    assert learnt_pictures(lesson / "model.onnx", card) is None


def test_hashes_are_small_and_the_same_in_any_order() -> None:
    contents = [f"{number:064x}" for number in range(0, 2**250, 2**250 // 25_000)]
    packed = pack_hashes(contents)
    assert packed == pack_hashes(reversed(contents))
    assert len(packed) < 270_000


def test_metrics_of_another_lesson_are_not_taken_by_export(lesson: Path, tmp_path: Path) -> None:
    card = Classifier(lesson / "model.onnx").card
    metrics = json.loads((lesson / "metrics.json").read_text())
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    assert read_split(tmp_path / "metrics.json", card).training
    (tmp_path / "metrics.json").write_text(json.dumps(metrics | {"created_at": "yesterday"}))
    with pytest.raises(UserError, match="belongs to another model"):
        read_split(tmp_path / "metrics.json", card)


def test_two_projects_of_one_name_do_not_replace_each_other(
    pictures: Path,
    squeezenet_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for project in ("one", "two"):
        shutil.copytree(pictures, tmp_path / project / "dataset")
    model = tmp_path / "models" / "dataset" / "model.onnx"
    train.main(command(Path("one/dataset"), squeezenet_weights, None))
    first = model.read_bytes()
    with pytest.raises(UserError, match=r"two folders of one name.*--output"):
        train.main(command(Path("two/dataset"), squeezenet_weights, None))
    assert model.read_bytes() == first
    (model.parent / "metrics.json").unlink()  # the card says it as well
    with pytest.raises(UserError, match="two folders of one name"):
        train.main(command(Path("two/dataset"), squeezenet_weights, None))
    # The same one again, also by another path, and a place that was named.
    shutil.copy(model, model.with_name("model.int8.onnx"))
    capsys.readouterr()
    train.main(command(tmp_path / "one" / ".." / "one" / "dataset", squeezenet_weights, None))
    told = capsys.readouterr().out
    assert "these belong to an earlier model, and were left as they are: model.int8.onnx" in told
    train.main(command(Path("two/dataset"), squeezenet_weights, Path("models/dataset")))
    metrics = json.loads((model.parent / "metrics.json").read_text())
    assert metrics["dataset_folder"] == str(tmp_path / "two" / "dataset")
