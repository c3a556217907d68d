"""Teaching and measuring, with the scripts as a user calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.coloured_pictures import write_coloured_pictures
from tests.some_pictures import copy_some
from tests.tiny_model import write_tiny_model
from webcam_classifier.backbone.views import ViewRange, random_view
from webcam_classifier.cli import collect, evaluate, live, train
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import Classifier

REACH = ViewRange(turn=12.0, scales=(0.8, 1.2), shift=0.1, gain=0.25, tint=0.08)
_ROOT = Path(__file__).resolve().parents[1]


def teach(pictures: Path, output: Path, weights: Path, *more: str) -> dict[str, object]:
    command = [str(pictures), "--output", str(output), "--weights", str(weights)]
    train.main([*command, "--mode", "head", *more])
    metrics: dict[str, object] = json.loads((output / "metrics.json").read_text())
    return metrics


def test_a_head_tells_pictures_of_recordings_it_never_saw(
    taught_model: Path, hands: Path, tmp_path: Path
) -> None:
    metrics = json.loads((taught_model / "metrics.json").read_text())
    test_part = metrics["split"]["test"]["pictures"]
    held_out = tmp_path / "held_out"
    for name in test_part:
        place = held_out / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((hands / name).read_bytes())
    evaluate.main([str(taught_model), str(held_out), "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["accuracy"] >= 0.97
    assert figures["count"] == len(test_part) == metrics["count"]
    # The file's own figure is what anyone finds who measures it again.
    assert figures["accuracy"] == metrics["accuracy"]
    assert figures["confusion"] == metrics["confusion"]


def test_a_video_of_pictures_gets_live_the_labels_that_evaluate_gives_the_pictures(
    taught_model: Path, shared_data: Path, tmp_path: Path
) -> None:
    # Another room, where the model is often wrong: its mistakes have to be the same ones.
    room = tmp_path / "room"
    copy_some(shared_data / "rock_paper_scissors" / "person_2", room, step=2)
    evaluate.main([str(taught_model), str(room), "--json", str(tmp_path / "figures.json")])
    answers = json.loads((tmp_path / "figures.json").read_text())["answers"]
    clip = tmp_path / "clip.avi"
    # Lossless, since a picture that is compressed again may fairly get another answer.
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"FFV1"), 30, (320, 304))
    for name in answers:
        writer.write(read_picture(room / name))
    writer.release()
    live.main(
        [str(taught_model), "--source", str(clip), "--no-window", "--provider", "cpu",
         "--json-lines", str(tmp_path / "live.jsonl")]
    )  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "live.jsonl").read_text().splitlines()]
    found = [line["label"] for line in lines]
    assert found == [answer["label"] for answer in answers.values()]


def test_the_three_parts_share_no_picture(taught_model: Path) -> None:
    split = json.loads((taught_model / "metrics.json").read_text())["split"]
    parts = [set(split[part]["pictures"]) for part in ("training", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 200


@pytest.mark.parametrize(("taught", "asked", "floor"), [(1, 2, 0.82), (2, 1, 0.90)])
def test_a_head_taught_by_one_person_knows_the_other(
    shared_data: Path, squeezenet_weights: Path, tmp_path: Path, taught: int, asked: int,
    floor: float,
) -> None:  # fmt: skip
    thumbs = shared_data / "thumbs"
    copy_some(thumbs / f"person_{taught}", tmp_path / "taught", step=2)
    copy_some(thumbs / f"person_{asked}", tmp_path / "asked", step=2)
    metrics = teach(
        tmp_path / "taught", tmp_path / "model", squeezenet_weights,
        "--test-dataset", str(tmp_path / "asked"),
    )  # fmt: skip
    assert metrics["count"] == 120
    assert metrics["accuracy"] >= floor  # type: ignore[operator] # a number in this JSON


def test_the_same_seed_gives_the_same_model(tmp_path: Path, squeezenet_weights: Path) -> None:
    write_coloured_pictures(tmp_path / "pictures", count=10)
    for name in ("one", "two"):
        teach(tmp_path / "pictures", tmp_path / name, squeezenet_weights, "--input-size", "64")
    image = read_picture(tmp_path / "pictures" / "red" / "000.jpg")
    one, two = (Classifier(tmp_path / name / "model.onnx") for name in ("one", "two"))
    np.testing.assert_array_equal(
        one.classify(image).probabilities, two.classify(image).probabilities
    )
    assert one.card.data_hash == two.card.data_hash


def test_five_pictures_a_label_are_enough(tmp_path: Path, squeezenet_weights: Path) -> None:
    write_coloured_pictures(tmp_path / "pictures", count=5)
    metrics = teach(tmp_path / "pictures", tmp_path / "m", squeezenet_weights, "--input-size", "64")
    assert metrics["accuracy"] == 1.0


def test_labels_may_have_any_name(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colours = {"grün und blau": (220, 120, 40), "赤": (40, 40, 220)}
    write_coloured_pictures(tmp_path / "pictures", 6, colours)
    teach(tmp_path / "pictures", tmp_path / "m", squeezenet_weights, "--input-size", "64")
    assert Classifier(tmp_path / "m" / "model.onnx").card.labels == tuple(sorted(colours))
    assert "grün und blau" in capsys.readouterr().out


def test_few_test_pictures_are_warned_about(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "pictures", count=10)
    teach(tmp_path / "pictures", tmp_path / "m", squeezenet_weights, "--input-size", "64")
    assert "are few" in capsys.readouterr().out


def test_pictures_that_can_not_be_read_do_not_stop_the_lesson(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "pictures", count=8)
    (tmp_path / "pictures" / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0broken")
    metrics = teach(tmp_path / "pictures", tmp_path / "m", squeezenet_weights, "--input-size", "64")
    assert "broken.jpg" in capsys.readouterr().out
    assert len(metrics["skipped"]) == 1  # type: ignore[arg-type] # a list in this JSON


def test_measuring_on_what_was_taught_with_is_warned_about(
    taught_model: Path, hands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.main([str(taught_model), str(hands)])
    split = json.loads((taught_model / "metrics.json").read_text())["split"]
    learnt = split["training"]["count"] + split["validation"]["count"]
    assert f"{learnt} of the 200 pictures were used in training" in capsys.readouterr().out


def test_a_head_is_measured_first_and_then_learns_from_all(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "pictures", 15)
    arguments = (tmp_path / "pictures", tmp_path / "all", squeezenet_weights, "--input-size", "64")
    metrics = teach(*arguments)
    measured = teach(arguments[0], tmp_path / "measured", *arguments[2:], "--measured-only")
    assert (metrics["learnt_from_test"], measured["learnt_from_test"]) == (True, False)
    # The one is measured by leaving pictures out in turn, the other on those held back.
    assert (metrics["count"], measured["count"]) == (30, 6)
    assert isinstance(metrics["split"], dict)
    assert metrics["split"]["training"]["count"] == 30
    capsys.readouterr()
    evaluate.main([str(tmp_path / "all"), str(tmp_path / "pictures")])
    assert "30 of the 30 pictures were used in training" in capsys.readouterr().out
    image = read_picture(tmp_path / "pictures" / "red" / "000.jpg")
    one, other = (Classifier(tmp_path / name / "model.onnx") for name in ("all", "measured"))
    assert one.classify(image).confidence != other.classify(image).confidence


def test_a_place_that_can_not_be_written_is_found_before_the_work(
    tmp_path: Path, squeezenet_weights: Path
) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(UserError, match="a folder is needed there"):
        teach(tmp_path / "no_pictures_here", tmp_path / "models" / "m", squeezenet_weights)


def test_a_rare_label_is_warned_about(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "pictures", 40)
    for picture in sorted((tmp_path / "pictures" / "red").iterdir())[8:]:
        picture.unlink()
    teach(tmp_path / "pictures", tmp_path / "m", squeezenet_weights, "--input-size", "64")
    assert "blue has 40 pictures and red only 8" in capsys.readouterr().out


def test_nothing_is_reported_to_the_runtimes_maker(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    code = (
        "import sys\nfrom webcam_classifier.cli import live\n"
        "from pathlib import Path\n"
        "from webcam_classifier.model.classifier import Classifier\n"
        "Classifier(Path(sys.argv[1])).warm_up()\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for variable in ("ORT_DISABLE_TELEMETRY", "CI"):
        environment.pop(variable, None)
    command = [sys.executable, "-c", code, str(tmp_path / "model.onnx")]
    subprocess.run(command, cwd=_ROOT, env=environment, check=True)
    # Where it reports, it keeps a device's number and a queue in the cache folder.
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["webcam-classifier"]
    kept = (tmp_path / "cache" / "webcam-classifier").iterdir()
    assert [path.name for path in kept] == ["models"]  # that this one was tried


def test_labels_the_model_does_not_know_are_refused(taught_model: Path, tmp_path: Path) -> None:
    write_coloured_pictures(tmp_path / "pictures", count=5)
    with pytest.raises(UserError, match="labels that the model does not have: blue, red"):
        evaluate.main([str(taught_model), str(tmp_path / "pictures")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "no folder missing"),
        (["pictures", "--weights", "none"], "--mode finetune"),
        (["pictures", "--weights", "missing.safetensors"], "can't be read"),
        (["pictures", "--test-dataset", "missing"], "no folder missing"),
    ],
)
def test_a_mistake_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    write_coloured_pictures(tmp_path / "pictures", count=6)
    done = subprocess.run(
        [sys.executable, str(_ROOT / "train.py"), *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    "module",
    ["cli.collect", "cli.live", "cli.evaluate", "cli.export", "training.train_head"],
)
def test_torch_stays_out_of_everything_but_fine_tuning(module: str) -> None:
    code = f"import sys, webcam_classifier.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=_ROOT, check=False).returncode == 0


def test_teaching_a_head_needs_no_torch(tmp_path: Path, squeezenet_weights: Path) -> None:
    write_coloured_pictures(tmp_path / "pictures", count=6)
    code = (
        "import sys\nfrom webcam_classifier.cli import train\n"
        "train.main(sys.argv[1:])\nsys.exit('torch' in sys.modules)\n"
    )
    arguments = [str(tmp_path / "pictures"), "--output", str(tmp_path / "m"), "--input-size", "64"]
    arguments += ["--weights", str(squeezenet_weights), "--mode", "head"]
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("more", [("--mode", "finetune"), ("--backbone", "resnet18")])
def test_without_torch_what_needs_it_says_so(tmp_path: Path, more: tuple[str, ...]) -> None:
    # Python asks its finders first, and this one knows no torch: as where it is not installed.
    code = (
        "import sys\n"
        "class WithoutTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch':\n"
        "            raise ModuleNotFoundError('No module named torch', name=name)\n"
        "sys.meta_path.insert(0, WithoutTorch())\n"
        "from webcam_classifier.cli.console import run_command, run_script\n"
        "run_script(lambda: run_command('train'))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), "--output", str(tmp_path / "m"), *more]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs torch" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_test_set_that_is_learnt_from_is_refused(
    tmp_path: Path, squeezenet_weights: Path
) -> None:
    pictures = tmp_path / "pictures"
    write_coloured_pictures(pictures, 6)
    with pytest.raises(UserError, match=r"12 pictures .* as well"):
        teach(pictures, tmp_path / "m", squeezenet_weights, "--test-dataset", str(pictures))


def test_a_view_is_never_upside_down_and_mirrored_only_where_safe() -> None:
    # A ramp that brightens downwards and to the right keeps its direction in every view.
    rows, columns = np.mgrid[0:96, 0:128]
    ramp = np.dstack([rows * 2, columns, np.full_like(rows, 100)]).astype(np.uint8)
    generator = np.random.default_rng(0)
    rightwards = {True: 0, False: 0}
    for flip in (True, False):
        for _ in range(60):
            view = random_view(ramp, 64, generator, REACH, flip).astype(float)
            assert view[48:, :, 0].mean() > view[:16, :, 0].mean()
            rightwards[flip] += view[:, 48:, 1].mean() > view[:, :16, 1].mean()
    assert rightwards[False] == 60
    assert 15 < rightwards[True] < 45


def test_a_view_keeps_the_size_and_the_original(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    before = image.copy()
    view = random_view(image, 32, np.random.default_rng(1), REACH, flip=True)
    assert view.shape == (32, 32, 3)
    np.testing.assert_array_equal(image, before)
    assert cv2.imwrite(str(tmp_path / "view.png"), view)


def test_a_label_called_as_what_live_shows_is_refused_or_warned_about(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="Choose another name"):
        collect.main(["unknown", "--source", "demo", "--no-window", "--dataset", str(tmp_path)])
    colours = {"unknown": (40, 200, 40), "cup": (200, 40, 200)}
    write_coloured_pictures(tmp_path / "data", 6, colours)
    command = [str(tmp_path / "data"), "--mode", "head", "--input-size", "64"]
    train.main(
        [*command, "--weights", str(squeezenet_weights), "--output", str(tmp_path / "model")]
    )
    assert "warning: a label is called 'unknown'" in capsys.readouterr().out
    write_coloured_pictures(tmp_path / "other", 6, {"cup": (0, 255, 255), "unknown": (255, 255, 0)})
    evaluate.main([str(tmp_path / "model"), str(tmp_path / "other")])
    assert "of these pictures as unknown" in capsys.readouterr().out


def test_labels_one_level_too_high_are_warned_about(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "data" / "anna", 6)
    write_coloured_pictures(tmp_path / "data" / "ben", 6, seed=1)
    command = ["--mode", "head", "--input-size", "64", "--weights", str(squeezenet_weights)]
    train.main([str(tmp_path / "data"), *command, "--output", str(tmp_path / "model")])
    printed = capsys.readouterr().out
    assert "warning: anna, ben hold folders of the same names (blue, red)" in printed
    assert f"train.py {tmp_path / 'data' / 'anna'}" in printed
    train.main([str(tmp_path / "data" / "anna"), *command, "--output", str(tmp_path / "one")])
    assert "hold folders of the same names" not in capsys.readouterr().out


@pytest.mark.parametrize("progress", [["--progress", "told.jsonl"], ["--progress=told.jsonl"]])
def test_the_command_in_a_model_is_the_one_that_a_person_would_type(progress: list[str]) -> None:
    command = train.command_of(["my dataset", *progress, "--mode", "head"])
    assert command == "python train.py 'my dataset' --mode head"
