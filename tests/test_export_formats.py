"""Models for other tools: their runtimes answer the same to real pictures, or none is kept."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.colour_model import SIZE, write_colour_model
from tests.some_pictures import copy_some
from webcam_classifier.cli.export import main
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.errors import UserError
from webcam_classifier.export import foreign_formats
from webcam_classifier.export.foreign_formats import as_imagenet_prepares
from webcam_classifier.export.foreign_model import ForeignModel, compare_answers
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.prediction import Prediction
from webcam_classifier.private_onnxruntime import onnxruntime

NEAR = 0.01
"""Between scores of the unknown, whose threshold is 1: the distance of a picture that was learnt is
the root of what rounding has left of zero."""


def pictures_below(dataset: Path) -> list[BgrImage]:
    return [read_picture(path) for path in sorted(dataset.rglob("*.jpg"))[::7]]


@pytest.fixture(scope="module")
def some_hands(hands: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough pictures to compare on: torch takes its time where other tests run beside it."""
    folder = tmp_path_factory.mktemp("some") / "hands"
    copy_some(hands, folder, step=10)
    return folder


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
        # The threshold is 1, and at zero the score is the square root of rounding.
        assert score == pytest.approx(ours.unknown_score, abs=5e-3)


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


def test_tflite_gives_the_same_answers_to_real_pictures(
    taught_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    folder = tmp_path / "tflite"
    main([str(taught_model), "--format", "tflite", "--output", str(folder)])

    assert "with LiteRT" in capsys.readouterr().out
    original = Classifier(taught_model / "model.onnx")
    assert (folder / "labels.txt").read_text().split() == list(original.card.labels)
    model = interpreter.Interpreter(model_path=str(folder / "model.tflite"))
    (taken,) = model.get_input_details()
    size = original.card.input_size
    assert (taken["shape"].tolist(), taken["dtype"]) == ([1, size, size, 3], np.uint8)
    run = model.get_signature_runner()
    pictures = pictures_below(Path(original.card.dataset))
    assert len(pictures) >= 5
    for picture in pictures:
        found = run(pixels=original.prepare(picture)[np.newaxis])
        ours = original.classify(picture)
        np.testing.assert_allclose(found["probabilities"][0], ours.probabilities, atol=1e-4)
        assert float(found["unknown"][0]) == pytest.approx(ours.unknown_score, abs=NEAR)


def test_torch_alone_gives_the_same_answers_to_real_pictures(
    taught_model: Path, some_hands: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    original = Classifier(taught_model / "model.onnx")
    pictures = pictures_below(Path(original.card.dataset))[::2]
    np.save(tmp_path / "pictures.npy", np.stack([original.prepare(one).copy() for one in pictures]))
    home = str(Path(foreign_formats.__file__).parents[2]).encode()
    for name, file in (("torch-export", "model.pt2"), ("torchscript", "model.torchscript.pt")):
        command = [str(taught_model), "--format", name, "--output", str(tmp_path / name)]
        main([*command, "--pictures", str(some_hands)])
        with zipfile.ZipFile(tmp_path / name / file) as archive:
            # Nothing tells of the machine that wrote it.
            assert not [entry for entry in archive.namelist() if home in archive.read(entry)]
    # Another program, which has nothing of this one: all of them at once, then the first alone.
    program = """
import sys, warnings, numpy, torch
warnings.simplefilter("ignore")
torch.set_num_threads(1)
pictures = torch.from_numpy(numpy.load("pictures.npy"))
answers = {}
for name, network in (
    ("torch-export", torch.export.load("torch-export/model.pt2").module()),
    ("torchscript", torch.jit.load("torchscript/model.torchscript.pt")),
):
    with torch.no_grad():
        together, alone = network(pictures), network(pictures[:1])
    assert torch.allclose(together[0][:1], alone[0], atol=1e-4)
    answers |= {f"{name}.{number}": part.numpy() for number, part in enumerate(together)}
assert not [module for module in sys.modules if module.startswith("webcam_classifier")]
numpy.savez("answers.npz", **answers)
"""
    subprocess.run([sys.executable, "-I", "-c", program], cwd=tmp_path, check=True)
    ours = [original.classify(picture) for picture in pictures]
    known = np.array([one.unknown_score for one in ours], dtype=np.float32)
    with np.load(tmp_path / "answers.npz") as answers:
        for name in ("torch-export", "torchscript"):
            probabilities, scores = answers[f"{name}.0"], answers[f"{name}.1"]
            np.testing.assert_allclose(
                probabilities, [one.probabilities for one in ours], atol=1e-4
            )
            np.testing.assert_allclose(scores, known, atol=NEAR)


def test_a_core_ml_package_has_the_network_and_says_that_it_was_not_run(
    taught_model: Path, some_hands: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coremltools = pytest.importorskip("coremltools")
    folder = tmp_path / "coreml"
    command = [str(taught_model), "--format", "coreml", "--output", str(folder)]
    main([*command, "--pictures", str(some_hands)])

    told = capsys.readouterr()
    assert "not run as Core ML" in told.out
    assert "it/s" not in told.err
    with zipfile.ZipFile(folder / "model.mlpackage.zip") as archive:
        archive.extractall(tmp_path)
    original = Classifier(taught_model / "model.onnx")
    description = coremltools.utils.load_spec(str(tmp_path / "model.mlpackage")).description
    (taken,) = description.input
    size = original.card.input_size
    image = taken.type.imageType
    assert (taken.name, image.width, image.height) == ("pixels", size, size)
    assert image.colorSpace == image.BGR
    shapes = {one.name: list(one.type.multiArrayType.shape) for one in description.output}
    assert shapes == {"probabilities": [1, len(original.card.labels)], "unknown": [1]}
    (weights,) = (tmp_path / "model.mlpackage").rglob("weight.bin")
    content = weights.read_bytes()
    kernels = [
        numpy_helper.to_array(one)
        for one in onnx.load(original.path).graph.initializer
        if len(one.dims) == 4 and one.dims[0] > 1
    ]
    assert len(kernels) > 20
    assert all(kernel.tobytes() in content for kernel in kernels)


def test_a_model_that_knows_labels_alone_is_written_for_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_colour_model(tmp_path) / "model"
    for name, needed in (("tflite", "ai_edge_litert"), ("torchscript", "torch")):
        if importlib.util.find_spec(needed) is None:
            continue
        main([str(model), "--format", name])
        said = capsys.readouterr().out
        assert "unknown" not in said
        assert (model / f"model.{name}/card.json").is_file()


@pytest.mark.parametrize(
    ("name", "package", "command"),
    [
        ("tflite", "ai_edge_litert", r"\[tflite\]"),
        ("coreml", "coremltools", r"\[coreml\]"),
    ],
)
def test_what_is_not_installed_is_said_with_the_command(
    name: str, package: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_colour_model(tmp_path) / "model"
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda one, *rest: None if one == package else find(one, *rest)
    )
    with pytest.raises(UserError, match=command):
        main([str(model), "--format", name])
    assert not (model / f"model.{name}").exists()


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
