from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import evaluate
from export.__main__ import main
from export.agreement import FEWEST_PICTURES, equal_share
from export.full_precision import tidy_graph
from export.graph_parts import last_layers
from export.layer_losses import layers_by_loss
from export.precisions import PRECISIONS
from webcam_classifier.data.labelled_pictures import load_labelled_pictures
from webcam_classifier.data.split import split_pictures
from webcam_classifier.errors import UserError
from webcam_classifier.model.classifier import (
    BATCH_AXIS,
    INPUT_NAME,
    OUTPUT_NAME,
    Classifier,
    ModelCard,
    ModelError,
    read_card,
)
from webcam_classifier.model.writer import write_model
from webcam_classifier.report.finish_lesson import finish_lesson
from webcam_classifier.teach.backbone import FrozenFeatures
from webcam_classifier.teach.embedded_lesson import embed_lesson
from webcam_classifier.teach.features import squeezenet1_1_features
from webcam_classifier.teach.lesson import Lesson
from webcam_classifier.teach.teach_head import teach_head

LABELS = ("blue", "green", "red")
SIZE = 32  # pixels
EACH = 24  # pictures of a label


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A model of three colours, with its data set and its metrics.json."""
    write_colours(tmp_path / "dataset")
    (tmp_path / "model").mkdir()
    write_model(colour_graph(), colour_card(tmp_path / "dataset"), tmp_path / "model/model.onnx")
    write_metrics(tmp_path)
    return tmp_path


def write_colours(folder: Path, labels: tuple[str, ...] = LABELS) -> None:
    """Noisy pictures in which one channel is the brightest."""
    generator = np.random.default_rng(0)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(EACH):
            image = generator.integers(0, 60, (40, 50, 3)) + generator.integers(0, 60)
            image[:, :, LABELS.index(label)] += generator.integers(60, 130)
            cv2.imwrite(str(folder / label / f"{number:03}.png"), image.astype(np.uint8))


def colour_card(dataset: Path) -> ModelCard:
    return ModelCard(
        LABELS, SIZE, "tiny", "head", "none", "2026-01-01T00:00:00+00:00", str(dataset), "hash",
        accuracy=0.5, accuracy_count=7,
    )  # fmt: skip


def colour_graph(sharpness: float = 0.05) -> onnx.ModelProto:
    """Two convolutions and a pool, then a head: each channel's mean is the score of its label."""
    generator = np.random.default_rng(1)
    spread = generator.normal(0.0, 0.3, (8, 3, 3, 3)).astype(np.float32)
    spread[:3] = 0.0
    spread[range(3), range(3), 1, 1] = 1.0
    mix = np.concatenate([np.eye(3), np.zeros((3, 5))], axis=1)[:, :, None, None]
    constants = {
        "spread": spread,
        "mix": mix.astype(np.float32),
        "head.weight": sharpness * np.eye(3, dtype=np.float32),
        "head.bias": np.zeros(3, dtype=np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Transpose", [INPUT_NAME], ["planes"], name="planes", perm=[0, 3, 1, 2]),
        make("Cast", ["planes"], ["floats"], name="floats", to=TensorProto.FLOAT),
        make("Conv", ["floats", "spread"], ["convolved"], name="first", pads=[1] * 4),
        make("Relu", ["convolved"], ["activated"], name="first.relu"),
        make("MaxPool", ["activated"], ["small"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        make("Conv", ["small", "mix"], ["mixed"], name="second"),
        make("Relu", ["mixed"], ["mixed.activated"], name="second.relu"),
        make("GlobalAveragePool", ["mixed.activated"], ["pooled"], name="pooled"),
        make("Flatten", ["pooled"], ["embedding"], name="embedding"),
        make("Gemm", ["embedding", "head.weight", "head.bias"], ["logits"], name="logits"),
        make("Softmax", ["logits"], [OUTPUT_NAME], name="softmax"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "colours",
        [value(INPUT_NAME, TensorProto.UINT8, [BATCH_AXIS, SIZE, SIZE, 3])],
        [value(OUTPUT_NAME, TensorProto.FLOAT, [BATCH_AXIS, 3])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def write_metrics(folder: Path, labels: tuple[str, ...] = LABELS) -> None:
    """Say which pictures trained and which were held back, as train.py does."""

    def part(start: int, end: int) -> dict[str, object]:
        names = [f"{label}/{number:03}.png" for label in labels for number in range(start, end)]
        return {"count": len(names), "pictures": names}

    split = {"training": part(0, 12), "validation": part(12, 18), "test": part(18, EACH)}
    metrics = {
        "split": {**split, "cut_labels": [], "test_dataset": None},
        "data_hash": "hash",
        "learnt_from_test": False,
    }
    (folder / "model/metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def kinds(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def answers(path: Path, images: tuple[NDArray[np.uint8], ...]) -> NDArray[np.float32]:
    classifier = Classifier(path)
    return np.array([classifier.classify(image).probabilities for image in images])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_is_written_and_gives_the_same_answers(
    colours: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(colours / "model"), "--precision", precision])

    written = colours / f"model/model.{precision}.onnx"
    printed = capsys.readouterr().out
    assert "compared on 36 pictures: 18 validation and 18 test pictures" in printed
    assert "equal answers 36 of 36" in printed
    assert "verdict: " in printed
    images = load_labelled_pictures(colours / "dataset", SIZE).images
    before, after = answers(colours / "model/model.onnx", images), answers(written, images)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    tolerance = {"fp32": 1e-4, "fp16": 0.01, "int8": 0.05}[precision]
    np.testing.assert_allclose(after, before, atol=tolerance)


def test_the_card_travels_with_what_was_done_and_measured(colours: Path) -> None:
    original = Classifier(colours / "model/model.onnx").card

    main([str(colours / "model"), "--precision", "int8"])

    card = Classifier(colours / "model/model.int8.onnx").card
    assert card.precision == "int8"
    assert (card.accuracy, card.accuracy_count) == (1.0, 18)
    assert len(card.history) == 1
    assert "calibrated on 36 training pictures" in card.history[0]
    assert "100.0% of 36 answers equal" in card.history[0]
    assert replace(card, precision="fp32", accuracy=0.5, accuracy_count=7, history=()) == original


def test_int8_leaves_no_float_between_the_pixels_and_the_pool(colours: Path) -> None:
    main([str(colours / "model"), "--precision", "int8"])

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(colours / "as_it_runs.onnx")
    options.log_severity_level = 4  # it warns that this file is for this machine only
    onnxruntime.InferenceSession(
        colours / "model/model.int8.onnx", options, providers=["CPUExecutionProvider"]
    )
    running = kinds(colours / "as_it_runs.onnx")
    assert "Cast" not in running
    assert "QuantizeLinear" not in running
    assert running["DequantizeLinear"] == 1
    assert "Conv" not in running


def test_fp16_computes_in_half_and_speaks_uint8_and_float32(colours: Path) -> None:
    main([str(colours / "model"), "--precision", "fp16"])

    model = onnx.load(colours / "model/model.fp16.onnx")
    types = {constant.name: constant.data_type for constant in model.graph.initializer}
    assert types["spread"] == types["mix"] == TensorProto.FLOAT16
    assert types["head.weight"] == TensorProto.FLOAT
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT


def test_fp32_has_neither_operators_nor_shapes_of_one_machine(colours: Path) -> None:
    model = tidy_graph(colours / "model/model.onnx")

    assert {opset.domain for opset in model.opset_import} <= {"", "ai.onnx"}
    assert model.ir_version <= 9
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == BATCH_AXIS


def test_the_last_layers_begin_behind_the_last_activation() -> None:
    assert last_layers(colour_graph().graph) == {
        "pooled", "embedding", "logits", "softmax",
    }  # fmt: skip


def test_the_layer_that_was_damaged_is_found_behind_the_first() -> None:
    make = helper.make_node
    names = ("first", "second", "third", "fourth")
    generator = np.random.default_rng(3)
    kernels = [generator.normal(0.0, 0.5, (3, 3, 1, 1)).astype(np.float32) for _ in names]
    nodes = [make("Cast", [INPUT_NAME], ["0"], name="floats", to=TensorProto.FLOAT)]
    for place, name in enumerate(names):
        nodes.append(make("Conv", [str(place), f"{name}.weight"], [str(place + 1)], name=name))
    exact = helper.make_model(
        helper.make_graph(
            nodes,
            "chain",
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, [1, 3, 4, 4])],
            [],
            [
                numpy_helper.from_array(kernel, f"{name}.weight")
                for name, kernel in zip(names, kernels, strict=True)
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    damaged = onnx.ModelProto()
    damaged.CopyFrom(exact)
    worse = kernels[2] + generator.normal(0.0, 0.2, kernels[2].shape).astype(np.float32)
    damaged.graph.initializer[2].CopyFrom(numpy_helper.from_array(worse, "third.weight"))
    picture = generator.integers(0, 255, (3, 4, 4)).astype(np.uint8)

    ranked = layers_by_loss(exact, damaged, (picture,))

    assert ranked[:2] == ["first", "third"]
    assert set(ranked) == set(names)


def test_numbers_that_overflow_equal_none() -> None:
    certain = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    overflowed = np.array([[np.nan, np.nan], [0.2, 0.8]], dtype=np.float32)

    assert equal_share(certain, certain) == 1.0
    assert equal_share(certain, overflowed) == 0.5


def test_evaluate_runs_a_converted_model(colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(colours / "model"), "--precision", "int8"])
    capsys.readouterr()

    evaluate.main([str(colours / "model/model.int8.onnx"), str(colours / "dataset")])

    assert "accuracy 1.000" in capsys.readouterr().out


def test_other_answers_leave_no_file(colours: Path) -> None:
    write_model(edge_graph(), colour_card(colours / "dataset"), colours / "model/model.onnx")

    with pytest.raises(UserError, match=r"gives another answer on .* of 36 pictures"):
        main([str(colours / "model"), "--precision", "int8"])

    assert sorted(path.name for path in (colours / "model").iterdir()) == [
        "metrics.json", "model.onnx",
    ]  # fmt: skip


def test_other_answers_are_kept_when_the_user_wants_them(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(edge_graph(), colour_card(colours / "dataset"), colours / "model/model.onnx")

    main([str(colours / "model"), "--precision", "int8", "--keep-anyway"])

    assert "verdict: The converted model gives another answer" in capsys.readouterr().out
    card = Classifier(colours / "model/model.int8.onnx").card
    assert "kept all the same: The converted model gives another answer" in card.history[0]


def edge_graph() -> onnx.ModelProto:
    """Answers by the digits that eight bits have no room for: of a sum of a thousand shares."""
    model = colour_graph()
    constants = {constant.name: constant for constant in model.graph.initializer}
    generator = np.random.default_rng(2)
    mix = np.abs(generator.normal(1.0, 0.05, (1, 8, 1, 1))).repeat(3, axis=0)
    mix += generator.normal(0.0, 1e-4, mix.shape)
    head = 1e4 * (np.eye(3) - 1.0 / 3.0)
    for name, values in (("mix", mix), ("head.weight", head)):
        constants[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
    return model


def test_pictures_that_all_get_one_answer_check_nothing(tmp_path: Path) -> None:
    write_colours(tmp_path / "dataset", ("red",))
    (tmp_path / "model").mkdir()
    write_model(colour_graph(), colour_card(tmp_path / "dataset"), tmp_path / "model/model.onnx")
    write_metrics(tmp_path, ("red",))

    with pytest.raises(UserError, match="All 12 pictures get the answer 'red'"):
        main([str(tmp_path / "model"), "--precision", "fp16"])

    assert not (tmp_path / "model/model.fp16.onnx").exists()


def test_too_few_pictures_are_refused_with_their_number(colours: Path) -> None:
    for path in (colours / "dataset").rglob("*.png"):
        if int(path.stem) >= 14:
            path.unlink()

    with pytest.raises(UserError, match=f"6 pictures are too few .* {FEWEST_PICTURES} is least"):
        main([str(colours / "model"), "--precision", "fp16"])


def test_a_moved_data_set_is_named_and_found_again(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (colours / "dataset").rename(colours / "moved")
    command = [str(colours / "model"), "--precision", "fp16"]

    with pytest.raises(UserError, match=r"72 of 72 .* \(blue/000.png, .* --dataset FOLDER"):
        main(command)

    main([*command, "--dataset", str(colours / "moved")])
    assert "equal answers 36 of 36" in capsys.readouterr().out


def test_a_folder_of_pictures_serves_where_there_are_no_metrics(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (colours / "model/metrics.json").unlink()
    command = [str(colours / "model"), "--precision", "int8"]

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
        main([str(colours / "model"), "--precision", "fp16"])


def test_metrics_of_another_lesson_are_refused(colours: Path) -> None:
    path = colours / "model/metrics.json"
    path.write_text(path.read_text().replace('"hash"', '"other"'), encoding="utf-8")

    with pytest.raises(UserError, match="belongs to another model"):
        main([str(colours / "model"), "--precision", "fp16"])


def test_a_converted_model_is_not_converted_again(colours: Path) -> None:
    main([str(colours / "model"), "--precision", "int8"])

    with pytest.raises(UserError, match="is int8 already"):
        main([str(colours / "model/model.int8.onnx"), "--precision", "int8"])


def test_the_original_is_never_overwritten(colours: Path) -> None:
    source = colours / "model/model.onnx"
    before = source.read_bytes()

    with pytest.raises(UserError, match="is the original"):
        main([str(source), "--precision", "fp16", "--output", str(source)])
    with pytest.raises(UserError, match="a folder is needed"):
        main([str(source), "--precision", "fp16", "--output", str(source / "x.onnx")])
    with pytest.raises(UserError, match="is a folder"):
        main([str(source), "--precision", "fp16", "--output", str(colours)])

    assert source.read_bytes() == before


def test_a_file_that_is_no_model_is_refused(colours: Path) -> None:
    bare = colours / "bare.onnx"
    bare.write_bytes(colour_graph().SerializeToString())
    cut = colours / "cut.onnx"
    cut.write_bytes((colours / "model/model.onnx").read_bytes()[:500])

    for path in (colours / "missing.onnx", bare, cut):
        with pytest.raises(ModelError):
            main([str(path), "--precision", "fp16"])


def test_a_taught_squeezenet_keeps_its_answers_in_int8(
    shared_data: Path, shared_squeezenet: onnx.ModelProto, tmp_path: Path
) -> None:
    dataset = shared_data / "rock_paper_scissors/person_1"
    teach(shared_squeezenet, dataset, tmp_path)

    main([str(tmp_path), "--precision", "int8"])

    card = read_card_of(tmp_path / "model.int8.onnx")
    assert card.accuracy is not None
    assert card.accuracy > 0.9
    # A quarter, and what tells the unknown, which stays float like the head.
    assert (tmp_path / "model.int8.onnx").stat().st_size < 0.35 * (
        (tmp_path / "model.onnx").stat().st_size
    )


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_what_is_unknown_stays_so_in_every_precision(
    precision: str,
    shared_data: Path,
    shared_squeezenet: onnx.ModelProto,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    teach(shared_squeezenet, shared_data / "rock_paper_scissors/person_1", tmp_path)

    main([str(tmp_path), "--precision", precision])

    converted = tmp_path / f"model.{precision}.onnx"
    both = Classifier(tmp_path / "model.onnx"), Classifier(converted)
    assert both[0].card.unknown_threshold is not None
    assert both[0].card.unknown_threshold == both[1].card.unknown_threshold
    line = next(line for line in capsys.readouterr().out.splitlines() if "unknown to" in line)
    assert int(line.split()[-1]) <= 1
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    found = [classifier.classify(noise) for classifier in both]
    assert found[0].is_unknown
    assert found[1].is_unknown
    assert found[1].unknown_score == pytest.approx(found[0].unknown_score, rel=0.05)
    tail = [node for node in onnx.load(converted).graph.node if node.name.startswith("unknown")]
    assert {node.op_type for node in tail} >= {"Gemm", "TopK", "Sqrt"}
    assert not {node.op_type for node in tail} & {"QuantizeLinear", "DequantizeLinear"}


def read_card_of(path: Path) -> ModelCard:
    (entry,) = onnx.load(path).metadata_props
    return read_card(entry.value, path)


@pytest.fixture
def shared_squeezenet(shared_weights: Path) -> onnx.ModelProto:
    torch = pytest.importorskip("torch")
    state = torch.load(shared_weights / "squeezenet1_1-fp32.pth", weights_only=True)
    tensors = {name: np.asarray(value.numpy()) for name, value in state.items()}
    return squeezenet1_1_features(tensors, 128)


def teach(features: onnx.ModelProto, dataset: Path, folder: Path) -> None:
    pictures = load_labelled_pictures(dataset, 128)
    pictures = pictures.at(np.arange(0, len(pictures), 3))
    split = split_pictures(
        pictures.names, pictures.label_indices, pictures.labels, pictures.fingerprints
    )
    lesson = Lesson(pictures, split, None, "squeezenet1_1", 128, 0, measured_only=True, started=0.0)
    embedded = embed_lesson(lesson, FrozenFeatures(features, "test"))
    finish_lesson(lesson, teach_head(lesson, embedded), embedded, folder)
