"""Models for other tools: their runtimes answer the same to real pictures, or none is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.colour_model import SIZE, write_colour_model
from webcam_classifier.cli.export import main
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.errors import UserError
from webcam_classifier.export import foreign_formats
from webcam_classifier.export.foreign_formats import (
    ForeignModel,
    as_imagenet_prepares,
    compare_answers,
)
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.prediction import Prediction
from webcam_classifier.private_onnxruntime import onnxruntime


def pictures_below(dataset: Path) -> list[BgrImage]:
    return [read_picture(path) for path in sorted(dataset.rglob("*.jpg"))[::7]]


def test_openvino_gives_the_same_answers_to_real_pictures(
    taught_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    openvino = pytest.importorskip("openvino")
    folder = tmp_path / "ir"
    main([str(taught_model), "--format", "openvino", "--output", str(folder)])

    said = capsys.readouterr().out
    assert "with OpenVINO" in said
    original = Classifier(taught_model / "model.onnx")
    assert (folder / "labels.txt").read_text().split() == list(original.card.labels)
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(folder / "model.xml"), "CPU", exact)
    outputs = {name for output in compiled.outputs for name in output.names}
    assert {"probabilities", "unknown"} <= outputs
    pictures = pictures_below(Path(original.card.dataset))
    assert len(pictures) >= 5
    for picture in pictures:
        found = compiled({"pixels": original.prepare(picture)[np.newaxis]})
        ours = original.classify(picture)
        theirs = found[compiled.output("probabilities")][0]
        np.testing.assert_allclose(theirs, ours.probabilities, atol=1e-3)
        score = float(found[compiled.output("unknown")].reshape(-1)[0])
        assert score == pytest.approx(ours.unknown_score, abs=1e-3)  # the threshold is 1


def test_imagenet_of_jetson_inference_finds_what_it_needs(
    taught_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "jetson"
    main([str(taught_model), "--format", "jetson-inference", "--output", str(folder)])

    said = capsys.readouterr().out
    assert f"imagenet --model={folder}/model.onnx --labels={folder}/labels.txt" in said
    assert "--input_blob=input_0 --output_blob=output_0" in said
    assert "not yet run on a Jetson" in said
    original = Classifier(taught_model / "model.onnx")
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    (taken,), (given,) = model.graph.input, model.graph.output
    size = original.card.input_size
    shapes = [[dim.dim_value for dim in one.type.tensor_type.shape.dim] for one in (taken, given)]
    assert (taken.name, shapes[0]) == ("input_0", [1, 3, size, size])
    assert (given.name, shapes[1]) == ("output_0", [1, len(original.card.labels)])
    assert not [node for node in model.graph.node if "TopK" in node.op_type]  # of the unknown
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    for picture in pictures_below(Path(original.card.dataset)):
        values = as_imagenet_prepares(original.prepare(picture))
        (theirs,) = session.run(None, {"input_0": values})
        ours = original.classify(picture).probabilities
        np.testing.assert_allclose(theirs[0], ours, atol=1e-3)


def test_what_answers_otherwise_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_colour_model(tmp_path) / "model"
    # With the channels in another order the graph takes red for blue.
    right = foreign_formats.as_imagenet_prepares
    monkeypatch.setattr(
        foreign_formats, "as_imagenet_prepares", lambda picture: right(picture)[:, ::-1]
    )
    with pytest.raises(UserError, match=r"answers otherwise .*Nothing was written"):
        main([str(model), "--format", "jetson-inference"])
    assert sorted(path.name for path in model.iterdir()) == ["metrics.json", "model.onnx"]
    main([str(model), "--format", "jetson-inference", "--keep-anyway"])
    card = json.loads((model / "model.jetson-inference/card.json").read_text())
    assert (card["labels"], card["input_size"]) == (["blue", "green", "red"], SIZE)


def test_too_few_pictures_keep_nothing(tmp_path: Path) -> None:
    folder = write_colour_model(tmp_path)
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((folder / "dataset/red").iterdir())[:3]:
        shutil.copy(path, few)
    with pytest.raises(UserError, match="too few to compare on"):
        main([str(folder / "model"), "--format", "openvino", "--pictures", str(few)])


def test_answers_that_are_no_numbers_do_not_agree() -> None:
    labels = ("a", "b")
    sure = np.array([0.6, 0.4], dtype=np.float32)
    ours = [Prediction(labels, sure, 0.5, 1.0) for _ in range(20)]

    def agrees(answers: NDArray[np.float32], scores: NDArray[np.float32]) -> bool:
        return compare_answers(ours, ForeignModel({}, answers, scores, "", ())).agrees

    answers, scores = np.tile(sure, (20, 1)), np.full(20, 0.5, dtype=np.float32)
    assert agrees(answers, scores)
    assert not agrees(answers - 0.02, scores)
    lost = answers.copy()
    lost[0] = np.nan
    assert not agrees(lost, scores)
    for other in (np.nan, 1.5):
        moved = scores.copy()
        moved[3] = other
        assert not agrees(answers, moved)
