"""Which pictures an exported model is checked on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.colour_model import (
    ON_CPU,
    colour_card,
    colour_graph,
    write_colour_model,
    write_colours,
    write_metrics,
)
from webcam_classifier.cli.export import main
from webcam_classifier.errors import UserError
from webcam_classifier.export.agreement import FEWEST_PICTURES
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    return write_colour_model(tmp_path)


def test_pictures_that_all_get_one_answer_check_nothing(tmp_path: Path) -> None:
    write_colours(tmp_path / "dataset", ("red",))
    (tmp_path / "model").mkdir()
    write_model(colour_graph(), colour_card(tmp_path / "dataset"), tmp_path / "model/model.onnx")
    write_metrics(tmp_path, ("red",))

    with pytest.raises(UserError, match="All 12 pictures get the answer 'red'"):
        main([str(tmp_path / "model"), "--precision", "fp16", *ON_CPU])

    assert not (tmp_path / "model/model.fp16.onnx").exists()


def test_too_few_pictures_are_refused_with_their_number(colours: Path) -> None:
    for path in (colours / "dataset").rglob("*.png"):
        if int(path.stem) >= 14:
            path.unlink()

    with pytest.raises(UserError, match=f"6 pictures are too few .* {FEWEST_PICTURES} is least"):
        main([str(colours / "model"), "--precision", "fp16", *ON_CPU])


def test_a_moved_data_set_is_named_and_found_again(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (colours / "dataset").rename(colours / "moved")
    command = [str(colours / "model"), "--precision", "fp16", *ON_CPU]

    with pytest.raises(UserError, match=r"72 of 72 .* \(blue/000.png, .* --dataset FOLDER"):
        main(command)

    main([*command, "--dataset", str(colours / "moved")])
    assert "equal answers 36 of 36" in capsys.readouterr().out


def test_a_folder_of_pictures_serves_where_there_are_no_metrics(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (colours / "model/metrics.json").unlink()
    command = [str(colours / "model"), "--precision", "int8", *ON_CPU]

    with pytest.raises(UserError, match=r"no .*metrics\.json.* --pictures FOLDER"):
        main(command)

    main([*command, "--pictures", str(colours / "dataset")])
    assert f"compared on 36 pictures: every second picture of {colours / 'dataset'}" in (
        capsys.readouterr().out
    )
    card = Classifier(colours / "model/model.int8.onnx").card
    assert (card.accuracy, card.accuracy_count) == (0.5, 7)
    assert card.history[0].endswith("the accuracy is the original's")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"split": 3}'])
def test_damaged_metrics_are_said_to_be_so(colours: Path, content: str) -> None:
    (colours / "model/metrics.json").write_text(content, encoding="utf-8")

    with pytest.raises(UserError, match="is damaged"):
        main([str(colours / "model"), "--precision", "fp16", *ON_CPU])


def test_metrics_of_another_lesson_are_refused(colours: Path) -> None:
    path = colours / "model/metrics.json"
    path.write_text(path.read_text().replace('"hash"', '"other"'), encoding="utf-8")

    with pytest.raises(UserError, match="belongs to another model"):
        main([str(colours / "model"), "--precision", "fp16", *ON_CPU])
