"""Whether a model depends on the background: reported where it does, and only there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.background_dependence import (
    LABELS,
    check_folder,
    cut_out_hands,
    rooms_of,
    write_bursts,
)
from webcam_classifier.backbone.load import load_backbone
from webcam_classifier.cli import evaluate, train
from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures
from webcam_classifier.evaluation.background_dependence import (
    Ask,
    BackgroundCheck,
    check_background,
)
from webcam_classifier.evaluation.model_evaluation import bursts_of
from webcam_classifier.evaluation.moving_parts import Background, moving_parts
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare

_SIZE = 128
_WALLS = {"left": (60, 90, 160), "right": (150, 110, 60)}  # BGR
_THINGS = {"left": (40, 200, 40), "right": (220, 40, 220)}


def draw_bursts(folder: Path, walls: dict[str, tuple[int, int, int]], moves: bool = True) -> None:
    """Two bursts of each label: a coloured disc that moves before a wall with a window."""
    generator = np.random.default_rng(0)
    for number in range(1, 5):
        label = "left" if number % 2 else "right"
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in range(1, 13):
            picture = np.full((120, 160, 3), walls[label], np.float64)
            picture[10:50, 100:150] += 60.0
            middle = (40 + 6 * index, 60 + 3 * index) if moves else (80, 70)
            cv2.circle(picture, middle, 22, _THINGS[label], -1)
            picture += generator.normal(0.0, 2.0, picture.shape)
            name = f"20261122T143015x7f3a9c-{number:03d}-{index:04d}.png"
            cv2.imwrite(str(folder / label / name), np.clip(picture, 0, 255).astype(np.uint8))


def by_colour(colours: dict[str, tuple[int, int, int]]) -> Ask:
    """A model that answers the label whose colour most of a picture has."""

    def answer(image: BgrImage) -> str:
        near = {
            label: (np.abs(image.astype(int) - colour).max(axis=2) < 25).sum()
            for label, colour in colours.items()
        }
        return max(near, key=lambda label: near[label])

    def ask(_places: NDArray[np.int64], images: Sequence[BgrImage]) -> list[str]:
        return [answer(image) for image in images]

    return ask


def checked(pictures: LabelledPictures, ask: Ask) -> BackgroundCheck | None:
    everything = np.ones(len(pictures), np.bool_)
    return check_background(pictures, bursts_of(pictures), everything, _SIZE, ask)


def test_a_model_of_the_walls_is_found_out_and_one_of_the_things_is_not(tmp_path: Path) -> None:
    draw_bursts(tmp_path, _WALLS)
    pictures = load_labelled_pictures(tmp_path, _SIZE)
    of_walls, of_things = (checked(pictures, by_colour(one)) for one in (_WALLS, _THINGS))
    assert of_walls is not None
    assert of_things is not None
    assert [one.label for one in of_walls.dependent] == ["left", "right"]
    assert all(one.kept == one.count and one.others == 0 for one in of_walls.labels)
    assert of_things.dependent == ()
    assert of_things.describe({}) == ""
    told = of_walls.describe({"left": "to the left"})
    assert told.startswith(
        'With the moving object hidden, 48 of 48 pictures of "to the left" and "right"'
    )
    assert sum(one.count for one in of_walls.labels) == 48


def test_one_wall_for_all_labels_decides_nothing(tmp_path: Path) -> None:
    draw_bursts(tmp_path, dict.fromkeys(_WALLS, (60, 90, 160)))
    found = checked(load_labelled_pictures(tmp_path, _SIZE), by_colour(_WALLS))
    assert found is not None
    # All are called by the wall, those of one label rightly so.
    assert [(one.kept, one.others) for one in found.labels] == [(24, 24), (0, 0)]
    assert found.dependent == ()


def test_nothing_is_said_of_what_stands_still_or_of_an_empty_room(tmp_path: Path) -> None:
    draw_bursts(tmp_path / "still", _WALLS, moves=False)
    assert checked(load_labelled_pictures(tmp_path / "still", _SIZE), by_colour(_WALLS)) is None
    draw_bursts(tmp_path / "empty", _WALLS)
    (tmp_path / "empty" / "right").rename(tmp_path / "empty" / "none")
    assert checked(load_labelled_pictures(tmp_path / "empty", _SIZE), by_colour(_WALLS)) is None


def test_a_thing_is_hidden_whole_with_what_other_pictures_show_behind_it(tmp_path: Path) -> None:
    draw_bursts(tmp_path, _WALLS)
    pictures = load_labelled_pictures(tmp_path, _SIZE)
    burst = np.arange(12)
    parts = moving_parts(pictures.small[burst], burst)
    images = np.stack([prepare(pictures.images[place], _SIZE) for place in range(12)])
    behind = Background(images, parts)
    for image, part in zip(images, parts, strict=True):
        assert 0.05 < part.mean() < 0.5
        hidden = behind.instead_of(image, part, behind.known)
        thing = np.abs(hidden.astype(int) - _THINGS["left"]).max(axis=2) < 60
        assert thing.mean() < 0.002


def test_nothing_moves_where_the_camera_does() -> None:
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 255, (12, 8, 8, 3)).astype(np.uint8)
    small = np.stack([prepare(one, 32) for one in noise])
    assert not moving_parts(small, np.arange(12)).any()


@pytest.fixture(scope="module")
def rooms_apart(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bursts of hands, each label in a room of its own; `alike` beside them in the same one."""
    folder = tmp_path_factory.mktemp("rooms")
    generator = np.random.default_rng(0)
    hands = cut_out_hands(shared_data)
    rooms = rooms_of(shared_data / "flowers/train", 3, generator)
    write_bursts(folder / "apart", hands, [rooms] * 2, generator, count=10)
    write_bursts(folder / "next", hands, [rooms], generator, count=12)
    write_bursts(folder / "alike", hands, [[rooms[0]] * 3] * 2, generator, count=10)
    return folder


def test_hands_in_a_room_for_each_label_are_told_by_the_room(
    rooms_apart: Path, squeezenet_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(rooms_apart / "apart"), "--mode", "head", "--weights", str(squeezenet_weights)]
    train.main([*command, "--output", str(tmp_path)])
    assert "depends on the background. Record" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    found = metrics["background_dependence"]
    assert found["kept"] > 0.7 * found["count"]
    assert found["others"] < 0.3 * found["count"]
    assert [one["label"] for one in found["labels"]] == list(LABELS)
    assert sum(one["is_dependent"] for one in found["labels"]) >= 2
    assert any("depends on the background" in step for step in metrics["next_steps"])
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Does the model depend on the background?" in report
    assert "both predicted" in report

    figures = tmp_path / "figures.json"
    evaluate.main([str(tmp_path), str(rooms_apart / "next"), "--json", str(figures)])
    assert "note: With the moving object hidden, " in capsys.readouterr().out
    assert json.loads(figures.read_text(encoding="utf-8"))["background_dependence"]["count"] >= 24
    evaluate.main([str(tmp_path), str(rooms_apart / "apart"), "--json", str(figures)])
    assert json.loads(figures.read_text(encoding="utf-8"))["background_dependence"] is None


def test_hands_in_one_room_are_not(rooms_apart: Path, squeezenet_weights: Path) -> None:
    backbone = load_backbone("squeezenet1_1", str(squeezenet_weights), 224)
    found = check_folder(rooms_apart / "alike", backbone)
    assert found is not None
    assert sum(one.count for one in found.labels) >= 24
    assert found.dependent == ()


def test_photographs_and_a_camera_in_the_hand_can_not_be_asked(
    shared_data: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    backbone = load_backbone("squeezenet1_1", str(squeezenet_weights), 96)
    for name in ("thumbs/person_1", "masks"):
        for source in sorted((shared_data / name).iterdir()):
            if source.is_dir() and not source.name.startswith("."):
                target = tmp_path / name / source.name
                target.mkdir(parents=True)
                for path in sorted(source.iterdir())[:12]:
                    (target / path.name).write_bytes(path.read_bytes())
        assert check_folder(tmp_path / name, backbone) is None
