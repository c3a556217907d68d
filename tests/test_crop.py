"""A part of the picture: taught, measured, recorded and watched alike."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from tests.display_server import display_server, wait_for
from webcam_classifier.backbone.load import load_backbone
from webcam_classifier.cli import collect, evaluate, export, live, train
from webcam_classifier.crop import WHOLE_PICTURE, Crop, cropped, parse_crop, read_crop
from webcam_classifier.dataset.crop_file import CROP_FILE, find_crop, write_crop
from webcam_classifier.dataset.listing import list_pictures
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.display.crop_frame import draw_crop
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.providers import ExecutionConfig
from webcam_classifier.teaching.session import TeachingSession
from webcam_classifier.ui.record_window import COLLECT_TITLE

ROOT = Path(__file__).resolve().parents[1]
LEFT_HALF = Crop(0.0, 0.0, 0.5, 1.0)
SIZE = "96"

_SIDES = st.floats(0.0, 1.0, allow_nan=False)


@given(_SIDES, _SIDES, _SIDES, _SIDES, st.integers(1, 4000), st.integers(1, 4000))
def test_a_crop_lies_within_every_picture_and_has_pixels(
    left: float, top: float, width: float, height: float, wide: int, high: int
) -> None:
    try:
        crop = Crop(left, top, width, height)
    except ValueError:
        assert left + width > 1 or top + height > 1 or min(width, height) < 0.02
        return
    x0, y0, x1, y1 = crop.box(wide, high)
    assert 0 <= x0 < x1 <= wide
    assert 0 <= y0 < y1 <= high


def test_pixels_and_fractions_mean_the_same_part() -> None:
    expected = (160, 0, 480, 480)
    assert parse_crop("0.25,0,0.5,1").within(640, 480).box(640, 480) == expected
    assert parse_crop("160,0,320,480").within(640, 480).box(640, 480) == expected
    assert str(parse_crop("160,0,320,480").within(640, 480)) == "0.25,0,0.5,1"


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "a,0,1,1", "nan,0,1,1", "0.5,0,0.6,1", "-0.1,0,0.5,1", "0,0,0,1", "1e999,0,1,1"],
)
def test_what_is_no_part_of_a_picture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"0\.25,0,0\.5,1 is the middle half"):
        parse_crop(text)


def test_pixels_beyond_the_picture_are_refused() -> None:
    with pytest.raises(UserError, match="not a part of a picture of 320 x 240 pixels"):
        parse_crop("160,0,320,480").within(320, 240)


def test_the_mirror_image_of_a_part_shows_the_same() -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    crop = Crop(0.125, 0.25, 0.5, 0.5)
    mirrored = np.asarray(image[:, ::-1])
    np.testing.assert_array_equal(crop.mirrored().of(mirrored)[:, ::-1], crop.of(image))


@pytest.mark.parametrize(
    "fields", [None, [], {"left": 0}, {"left": "a", "top": 0, "width": 1, "height": 1}]
)
def test_a_damaged_crop_is_no_crop(fields: object) -> None:
    with pytest.raises(ValueError, match=r"hold|numbers"):
        read_crop(fields)


def test_a_data_set_remembers_its_part(tmp_path: Path) -> None:
    assert find_crop(tmp_path) is None
    write_crop(tmp_path, LEFT_HALF)
    assert find_crop(tmp_path) == LEFT_HALF
    write_crop(tmp_path, WHOLE_PICTURE)
    assert find_crop(tmp_path) is None
    (tmp_path / CROP_FILE).write_text("{")
    with pytest.raises(UserError, match=r"crop\.json.*can't be read.*--crop"):
        find_crop(tmp_path)


def test_what_is_outside_is_dimmed_and_the_part_is_not() -> None:
    picture = np.full((48, 64, 3), 200, np.uint8)
    draw_crop(picture, Crop(0.25, 0.25, 0.5, 0.5))
    assert picture[24, 32].tolist() == [200, 200, 200]
    assert picture[2, 2].max() < 100
    assert picture[24, 60].max() < 100


# Real hands in the left half, and something else that says nothing in the right half


def beside(hand: BgrImage, distraction: BgrImage) -> BgrImage:
    size = (160, 160)
    return np.hstack([cv2.resize(hand, size), cv2.resize(distraction, size)]).astype(np.uint8)


@pytest.fixture(scope="module")
def two_halves(
    hands: Path, squeezenet_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A data set of hands beside other hands that is about the left half, and its models."""
    folder = tmp_path_factory.mktemp("halves")
    paths = list_pictures(hands)[0][::2]
    others = np.random.default_rng(0).permutation(len(paths))
    for path, other in zip(paths, others.tolist(), strict=True):
        place = folder / "dataset" / path.relative_to(hands).with_suffix(".png")
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), beside(read_picture(path), read_picture(paths[other])))
    write_crop(folder / "dataset", LEFT_HALF)
    command = [str(folder / "dataset"), "--mode", "head", "--input-size", SIZE, "--measured-only"]
    weights = ["--weights", str(squeezenet_weights)]
    train.main([*command, *weights, "--output", str(folder / "half")])
    train.main([*command, *weights, "--crop", "0,0,1,1", "--output", str(folder / "whole")])
    return folder / "dataset", folder


def accuracy(model: Path) -> float:
    return float(json.loads((model / "metrics.json").read_text())["accuracy"])


def test_the_part_is_learnt_and_the_rest_is_not(two_halves: tuple[Path, Path]) -> None:
    _, folder = two_halves
    assert Classifier(folder / "half" / "model.onnx").card.crop == LEFT_HALF
    assert Classifier(folder / "whole" / "model.onnx").card.crop is None
    assert accuracy(folder / "half") > accuracy(folder / "whole")


def test_nothing_outside_of_the_part_changes_an_answer(two_halves: tuple[Path, Path]) -> None:
    dataset, folder = two_halves
    classifier = Classifier(folder / "half" / "model.onnx")
    generator = np.random.default_rng(0)
    for path in list_pictures(dataset)[0][::20]:
        picture = read_picture(path)
        before = classifier.classify(picture)
        picture[:, 160:] = generator.integers(0, 255, (160, 160, 3), dtype=np.uint8)
        after = classifier.classify(picture)
        np.testing.assert_array_equal(after.probabilities, before.probabilities)
        assert after.unknown_score == before.unknown_score


def test_evaluate_measures_what_train_measured(
    two_halves: tuple[Path, Path], tmp_path: Path
) -> None:
    dataset, folder = two_halves
    metrics = json.loads((folder / "half" / "metrics.json").read_text())
    names = metrics["split"]["test"]["pictures"]
    for name in names:
        place = tmp_path / "test" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((dataset / name).read_bytes())
    model = str(folder / "half")
    evaluate.main([model, str(tmp_path / "test"), "--json", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["confusion"] == metrics["confusion"]
    assert found["accuracy"] == metrics["accuracy"]


def test_live_says_of_a_picture_what_the_model_says_of_its_part(
    two_halves: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, folder = two_halves
    path = list_pictures(dataset)[0][0]
    model = folder / "half" / "model.onnx"
    lines = tmp_path / "labels.jsonl"
    live.main([str(model), "--source", str(path), "--json-lines", str(lines), "--no-window"])
    line = json.loads(lines.read_text().splitlines()[0])
    expected = Classifier(model).classify(read_picture(path))
    assert line["label"] == expected.label
    assert "looks at a part of the picture alone: 0,0,0.5,1" in capsys.readouterr().err


def test_an_exported_model_looks_at_the_same_part(two_halves: tuple[Path, Path]) -> None:
    _, folder = two_halves
    export.main([str(folder / "half" / "model.onnx"), "--precision", "fp16"])
    found = list((folder / "half").glob("*fp16*.onnx"))
    assert [Classifier(path).card.crop for path in found] == [LEFT_HALF]


def test_what_is_taught_live_is_what_train_learns_also_after_another_part_was_chosen(
    two_halves: tuple[Path, Path], squeezenet_weights: Path, tmp_path: Path
) -> None:
    command = ["--mode", "head", "--input-size", SIZE, "--weights", str(squeezenet_weights)]
    dataset, alone = tmp_path / "dataset", tmp_path / "alone"
    pictures = list_pictures(two_halves[0])[0][::3]
    for path in pictures:
        for folder in (dataset, alone):  # in one of them nothing is remembered of the other way
            place = folder / path.relative_to(two_halves[0])
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    write_crop(alone, LEFT_HALF)
    train.main([str(alone), *command, "--output", str(tmp_path / "trained")])
    backbone = load_backbone("squeezenet1_1", str(squeezenet_weights), int(SIZE))
    with TeachingSession(dataset, backbone, runtime=ExecutionConfig(threads=1)) as session:
        assert session.wait_until_learnt(100.0)
        session.set_crop(LEFT_HALF)
        assert session.state().crop == find_crop(dataset) == LEFT_HALF
        assert session.learning_state().pending > 0
        session.write(tmp_path / "taught")  # waits for all of them
        written = Classifier(tmp_path / "trained" / "model.onnx")
        for path in pictures[::10]:
            picture = read_picture(path)
            answer, expected = session.classifier.classify(picture), written.classify(picture)
            assert answer.label == expected.label
            np.testing.assert_allclose(answer.probabilities, expected.probabilities, atol=1e-5)
    assert Classifier(tmp_path / "taught" / "model.onnx").card.crop == LEFT_HALF
    assert accuracy(tmp_path / "taught") == accuracy(tmp_path / "trained")
    trained, taught = (
        {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
        for path in (tmp_path / "trained" / "model.onnx", tmp_path / "taught" / "model.onnx")
    )
    assert trained.keys() == taught.keys()
    for name, values in trained.items():
        np.testing.assert_array_equal(taught[name], values)


# Recording


def test_a_part_in_pixels_is_remembered_and_pictures_stay_whole(tmp_path: Path) -> None:
    options = "--source demo --camera-size 320x240 --no-window --keep-all --count 3 --countdown 0"
    crop = ["--crop", "80,0,160,240", "--dataset", str(tmp_path / "d")]
    collect.main(["cup", *options.split(), *crop])
    assert find_crop(tmp_path / "d") == Crop(0.25, 0.0, 0.5, 1.0)
    pictures, skipped = list_pictures(tmp_path / "d")
    assert [read_picture(path).shape for path in pictures] == [(240, 320, 3)] * 3
    assert not skipped
    assert cropped(read_picture(pictures[0]), find_crop(tmp_path / "d")).shape == (240, 160, 3)


def test_a_part_that_is_dragged_with_the_mouse_is_remembered(tmp_path: Path) -> None:
    dataset = tmp_path / "d"
    with display_server() as display:
        command = [sys.executable, str(ROOT / "collect.py"), "cup", "--source", "demo"]
        program = subprocess.Popen(
            [*command, "--dataset", str(dataset)], cwd=tmp_path, env=display.environment
        )
        try:
            display.focus(COLLECT_TITLE)

            def drags() -> bool:
                """The first drag may come before the first picture, and is none then."""
                display.key("mousemove", "160", "120", "mousedown", "1")
                display.key("mousemove", "300", "200", "mousemove", "480", "360", "mouseup", "1")
                time.sleep(0.5)
                return (dataset / CROP_FILE).is_file()

            wait_for(drags)
            crop = find_crop(dataset)
            assert crop is not None
            # The simulated camera is shown like a mirror or not, and this part is in the middle.
            assert crop.box(640, 480) == pytest.approx((160, 120, 480, 360), abs=8)
            display.key("key", "a")
            wait_for(lambda: not (dataset / CROP_FILE).exists())
            display.key("key", "q")
            assert program.wait(20.0) == 0
        finally:
            program.kill()
            program.wait()
