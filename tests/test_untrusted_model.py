"""Model files from elsewhere: tried in a process of their own, once, and refused in a sentence."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.tiny_model import write_tiny_model
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import CARD_KEY, OUTPUT_NAME, UNKNOWN_NAME, ModelCard, ModelError
from webcam_classifier.runtime import untrusted_model
from webcam_classifier.runtime.choice import choose_runtime
from webcam_classifier.runtime.model_structure import MAXIMUM_NODES, structure_problem
from webcam_classifier.runtime.session import card_of


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder in which nothing is known."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "webcam-classifier" / "models"


def tiny(path: Path, unknown_threshold: float | None = None) -> onnx.ModelProto:
    write_tiny_model(path, unknown_threshold=unknown_threshold)
    return onnx.load(path)


def save(model: onnx.ModelProto, path: Path, mark: str = "changed") -> Path:
    model.doc_string = mark  # another hash than that of our own file
    path.write_bytes(model.SerializeToString())
    return path


def replaced_output(model: onnx.ModelProto, name: str, node: onnx.NodeProto) -> None:
    """Let another node give an output."""
    for old in model.graph.node:
        for place, output in enumerate(old.output):
            if output == name:
                old.output[place] = f"{name}_before"
    model.graph.node.append(node)


def notes(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def test_a_model_that_was_written_here_is_opened_without_a_trial(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    assert notes(own_cache) == [{"is_ours": True}]
    monkeypatch.setattr(untrusted_model, "TRIED_WITHIN", 0.0)  # no trial could succeed
    assert Classifier(tmp_path / "model.onnx").card.labels == ("blue", "green", "red")


def test_a_model_from_elsewhere_is_tried_once(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tiny(tmp_path / "a.onnx"), tmp_path / "b.onnx")
    assert Classifier(path).card.input_size == 32
    assert [note.get("problem") for note in notes(own_cache)].count("") == 1
    monkeypatch.setattr(untrusted_model, "TRIED_WITHIN", 0.0)
    assert card_of(path).input_size == 32
    again = tmp_path / "elsewhere.onnx"
    again.write_bytes(path.read_bytes())
    assert Classifier(again).card.input_size == 32


def test_what_failed_once_is_refused_without_another_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(tmp_path / "a.onnx")
    replaced_output(
        model, OUTPUT_NAME, helper.make_node("Log", [f"{OUTPUT_NAME}_before"], [OUTPUT_NAME])
    )
    path = save(model, tmp_path / "b.onnx")
    with pytest.raises(ModelError, match=r"b\.onnx.*do not add up to 1"):
        card_of(path)
    monkeypatch.setattr(untrusted_model, "TRIED_WITHIN", 0.0)
    moved = path.rename(tmp_path / "c.onnx")
    with pytest.raises(ModelError, match=r"c\.onnx.*do not add up to 1"):
        Classifier(moved)


def test_a_model_that_never_ends_is_given_up(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.fuzz_models import add_loop

    model = tiny(tmp_path / "a.onnx")
    add_loop(model, 10**12)
    path = save(model, tmp_path / "b.onnx")
    monkeypatch.setattr(untrusted_model, "TRIED_WITHIN", 4.0)
    started = time.monotonic()
    with pytest.raises(ModelError, match="no answer within 4 seconds"):
        choose_runtime(path, "auto", 0, print)
    assert time.monotonic() - started < 30
    assert notes(own_cache) == [{"is_ours": True}]  # a busy device may fare better the next time


def test_a_model_that_wants_the_whole_memory_is_refused(tmp_path: Path) -> None:
    model = tiny(tmp_path / "a.onnx")
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([40_000, 40_000], np.int64), "huge"))
    graph.node.insert(0, helper.make_node("ConstantOfShape", ["huge"], ["space"]))
    graph.output.append(helper.make_tensor_value_info("space", TensorProto.FLOAT, None))
    with pytest.raises(ModelError, match=r"could not be run|too much memory|not a whole"):
        Classifier(save(model, tmp_path / "b.onnx"))


@pytest.mark.parametrize("value", [np.nan, -1.0, 3.0])
def test_what_is_no_probability_is_an_error_and_no_label(tmp_path: Path, value: float) -> None:
    model = tiny(tmp_path / "a.onnx")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(value), "factor"))
    replaced_output(
        model,
        OUTPUT_NAME,
        helper.make_node("Mul", [f"{OUTPUT_NAME}_before", "factor"], [OUTPUT_NAME]),
    )
    path = save(model, tmp_path / "b.onnx")
    with pytest.raises(ModelError, match="do not add up to 1"):
        Classifier(path)
    untrusted_model.note_as_ours(path.read_bytes())  # such as one that goes wrong on few pictures
    with pytest.raises(ModelError, match="do not add up to 1"):
        Classifier(path).warm_up()


def test_a_score_of_unknown_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    model = tiny(tmp_path / "a.onnx", unknown_threshold=1.0)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(np.nan), "nan"))
    replaced_output(
        model,
        UNKNOWN_NAME,
        helper.make_node("Mul", [f"{UNKNOWN_NAME}_before", "nan"], [UNKNOWN_NAME]),
    )
    with pytest.raises(ModelError, match="not a number"):
        Classifier(save(model, tmp_path / "b.onnx"))


def test_a_graph_of_other_kinds_of_values_is_refused(tmp_path: Path) -> None:
    model = tiny(tmp_path / "a.onnx")
    replaced_output(
        model,
        OUTPUT_NAME,
        helper.make_node("Cast", [f"{OUTPUT_NAME}_before"], [OUTPUT_NAME], to=TensorProto.INT32),
    )
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT32
    with pytest.raises(ModelError, match="of another kind"):
        Classifier(save(model, tmp_path / "b.onnx"))


def test_numbers_from_other_files_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(np.zeros(9, np.float32).tobytes())
    model = tiny(tmp_path / "a.onnx")
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and list(tensor.dims) == [3, 3]:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="secret")
    with pytest.raises(ModelError, match="from other files"):
        Classifier(save(model, tmp_path / "b.onnx"))


def test_a_first_run_that_fails_is_a_sentence(tmp_path: Path) -> None:
    model = tiny(tmp_path / "a.onnx")
    shape = numpy_helper.from_array(np.array([1, 7], np.int64), "shape")
    model.graph.initializer.append(shape)
    replaced_output(
        model,
        OUTPUT_NAME,
        helper.make_node("Reshape", [f"{OUTPUT_NAME}_before", "shape"], [OUTPUT_NAME]),
    )
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "any"
    with pytest.raises(ModelError, match=r"python train\.py"):
        Classifier(save(model, tmp_path / "b.onnx"))


def test_bytes_are_looked_through_before_a_library_reads_them(tmp_path: Path) -> None:
    model = tiny(tmp_path / "a.onnx")
    whole = model.SerializeToString()
    assert structure_problem(whole) is None
    assert structure_problem(whole[:-1]) == "it is cut off or damaged"
    assert structure_problem(b"") == "it has no graph"
    node = model.graph.node[0]
    model.graph.node.extend([node] * MAXIMUM_NODES)
    assert structure_problem(model.SerializeToString()) == f"it has more than {MAXIMUM_NODES} nodes"
    del model.graph.node[1:]
    model.graph.node[0].op_type = "EPContext"
    assert "other files" in str(structure_problem(model.SerializeToString()))


def test_a_damaged_note_is_forgotten(tmp_path: Path, own_cache: Path) -> None:
    path = save(tiny(tmp_path / "a.onnx"), tmp_path / "b.onnx")
    assert Classifier(path).card.input_size == 32
    for note in own_cache.glob("*.json"):
        note.write_text("[]")
    assert Classifier(path).card.input_size == 32


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    path = save(tiny(tmp_path / "a.onnx"), tmp_path / "b.onnx")
    (tmp_path / "cache").chmod(0o500)
    assert Classifier(path).card.input_size == 32


def test_a_cache_that_is_a_file_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    path = save(tiny(tmp_path / "a.onnx"), tmp_path / "b.onnx")
    assert Classifier(path).card.input_size == 32


@pytest.mark.parametrize(
    "card",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"format_version": NaN}',
        '{"format_version": true}',
        '{"format_version": 1}',
        "[]",
        "null",
        '"text"',
        {"labels": "abc"},
        {"labels": ["a", "a", "b"]},
        {"labels": ["a", "", "b"]},
        {"labels": ["a", 1, "b"]},
        {"input_size": True},
        {"input_size": 32.0},
        {"input_size": 10**9},
        {"input_size": -1},
        {"names": ["x"]},
        {"names": 3},
        {"accuracy": 7},
        {"accuracy": "high"},
        {"accuracy": True},
        {"accuracy_count": -2},
        {"accuracy_count": 1.5},
        {"backbone": None},
        {"precision": ["fp32"]},
        {"history": "did"},
        {"unknown_threshold": True},
        {"weights": {"a": 1}},
    ],
)
def test_a_card_of_wrong_fields_is_damaged(tmp_path: Path, card: str | dict[str, object]) -> None:
    model = tiny(tmp_path / "a.onnx")
    (entry,) = [entry for entry in model.metadata_props if entry.key == CARD_KEY]
    entry.value = card if isinstance(card, str) else json.dumps(json.loads(entry.value) | card)
    untrusted_model.note_as_ours(save(model, tmp_path / "b.onnx").read_bytes())
    with pytest.raises(ModelError, match="damaged model card") as raised:
        Classifier(tmp_path / "b.onnx")
    assert str(raised.value).isprintable()


def test_a_label_with_commands_for_a_terminal_is_shown_without_them(tmp_path: Path) -> None:
    labels = ["\x1b[31mred", "safe\u202etxt", "می‌خواهم"]
    card: ModelCard = write_tiny_model(tmp_path / "a.onnx", labels=labels)
    classifier = Classifier(tmp_path / "a.onnx")
    assert classifier.card == card
    assert card.shown_labels == (r"\x1b[31mred", r"safe\u202etxt", "می‌خواهم")
    prediction = classifier.classify(np.full((40, 40, 3), (255, 0, 0), np.uint8))
    assert prediction.label == "\x1b[31mred"
    assert prediction.shown_label == r"\x1b[31mred"
