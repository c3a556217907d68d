"""The classic tutorials, each by one command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.coloured_pictures import write_coloured_pictures
from tests.tiny_model import write_tiny_model
from webcam_classifier.cli import evaluate, train
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.recipes import RECIPES, find_recipe
from webcam_classifier.finetune.settings import check_settings
from webcam_classifier.model.classifier import Classifier

FLOWERS = {
    "1": (220, 40, 40), "2": (40, 40, 220), "10": (40, 200, 40), "21": (30, 200, 220),
    "43": (200, 40, 200), "102": (128, 128, 128),
}  # fmt: skip
NAMES = {"1": "cornflower", "2": "poppy", "10": "clover", "21": "fire lily", "43": "sword lily"}


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A folder like that of the 102 flowers: split, with numbers for labels and their names."""
    folder = tmp_path / "flowers"
    for seed, (part, count) in enumerate({"train": 6, "valid": 2, "test": 3}.items()):
        write_coloured_pictures(folder / part, count, FLOWERS, seed)
    (folder / "cat_to_name.json").write_text(json.dumps(NAMES))
    return folder


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_can_train(recipe: object) -> None:
    found = find_recipe(recipe.name)  # type: ignore[attr-defined] # a Recipe
    assert found is recipe
    assert sum(found.shares) == pytest.approx(1.0)
    assert (found.settings is None) == (found.mode == "head")
    if found.settings is not None:
        check_settings(found.settings)


def test_an_unknown_recipe_is_a_sentence_that_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no recipe 'soup'.*thumbs-alexnet"):
        train.parse(["--recipe", "soup"])


def test_the_recipes_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        train.parse(["--list-recipes"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(recipe.name in said for recipe in RECIPES)


def test_the_command_line_overrules_the_recipe() -> None:
    plain = train.parse(["--recipe", "vgg16-frozen"])
    assert (plain.mode, plain.backbone, plain.input_size) == ("finetune", "vgg16", 224)
    changed = train.parse(["--recipe", "vgg16-frozen", "--backbone", "alexnet", "--epochs", "2"])
    assert (changed.mode, changed.backbone, changed.epochs) == ("finetune", "alexnet", 2)


def test_flowers_whole_numbers_get_their_names(
    flowers: Path, tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    train.main(
        [str(flowers), "--recipe", "last-layer", "--input-size", "64", "--output", str(model),
         "--weights", str(squeezenet_weights)]
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "has a predefined split" in said
    assert "top-5 accuracy 100.0 %" in said
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["count"] == 18
    assert metrics["learnt_from_test"] is False
    assert metrics["data"]["counts"] == dict.fromkeys(sorted(FLOWERS), 11)
    assert metrics["data"]["sizes"] == [{"width": 96, "height": 72, "count": 66}]
    assert {point["learnt"] for point in metrics["recall_by_count"]} == {6}
    card = Classifier(model / "model.onnx").card
    assert card.labels == ("1", "10", "102", "2", "21", "43")
    assert card.names == ("cornflower", "clover", "102", "poppy", "fire lily", "sword lily")

    evaluate.main([str(model), str(flowers)])
    said = capsys.readouterr().out
    assert "fire lily" in said
    assert "on 18 pictures" in said
    assert "were used in training" not in said

    figures = tmp_path / "answer.json"
    picture = flowers / "test/21/000.jpg"
    evaluate.main([str(model), str(picture), "--top", "2", "--json", str(figures)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].endswith("%  fire lily")
    answer = json.loads(figures.read_text())
    assert (answer["label"], answer["name"]) == ("21", "fire lily")
    assert next(iter(answer["probabilities"])) == "21"


def test_names_may_come_from_another_file(
    flowers: Path, tmp_path: Path, squeezenet_weights: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"1": "Kornblume"}')
    train.main(
        [str(flowers), "--input-size", "64", "--output", str(tmp_path / "m"), "--weights",
         str(squeezenet_weights), "--category-names", str(other), "--mode", "head"]
    )  # fmt: skip
    names = Classifier(tmp_path / "m" / "model.onnx").card.names
    assert names == ("Kornblume", "10", "102", "2", "21", "43")


def test_a_picture_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    (tmp_path / "photo.jpg").write_text("no picture")
    with pytest.raises(UserError, match="not a JPEG"):
        evaluate.main([str(tmp_path / "model.onnx"), str(tmp_path / "photo.jpg")])


@pytest.mark.parametrize("recipe", ["thumbs-alexnet", "vgg16-frozen"])
def test_a_recipe_that_trains_layers_runs_to_its_end(
    flowers: Path, tmp_path: Path, recipe: str
) -> None:
    # A small network for the recipe's large one, and random layers, which learn nothing in an
    # epoch: this is about the road, not about how well.
    train.main(
        [str(flowers), "--recipe", recipe, "--backbone", "squeezenet1_1", "--weights", "none",
         "--input-size", "64", "--epochs", "1", "--output", str(tmp_path / "m"),
         "--device", "cpu"]
    )  # fmt: skip
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert (metrics["mode"], metrics["backbone"]) == ("finetune", "squeezenet1_1")
    assert metrics["details"]["history"][-1]["epoch"] == 1
    assert metrics["count"] == 18
    assert Classifier(tmp_path / "m" / "model.onnx").card.names[0] == "cornflower"
