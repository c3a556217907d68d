"""The model file, its card, and what happens to bad ones."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.tiny_model import write_tiny_model
from webcam_classifier.model.classifier import Classifier, find_model, newest_model
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import (
    CARD_KEY,
    FORMAT_VERSION,
    UNKNOWN_LEVELS,
    ModelCard,
    ModelError,
    read_card,
)
from webcam_classifier.prediction import Prediction
from webcam_classifier.runtime.providers import ExecutionConfig


def plain(blue: int, green: int, red: int) -> np.ndarray:
    return np.full((48, 64, 3), (blue, green, red), dtype=np.uint8)


def with_card(path: Path, changes: dict[str, object]) -> None:
    model = onnx.load(path)
    (entry,) = [entry for entry in model.metadata_props if entry.key == CARD_KEY]
    entry.value = json.dumps(json.loads(entry.value) | changes)
    path.write_bytes(model.SerializeToString())


def test_the_brightest_channel_wins(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    classifier = Classifier(tmp_path / "model.onnx")
    prediction = classifier.classify(plain(10, 250, 30))
    assert prediction.label == "green"
    assert prediction.confidence > 0.99
    assert [label for label, _ in prediction.top(2)] == ["green", "red"]
    assert float(prediction.probabilities.sum()) == pytest.approx(1.0, abs=1e-5)


def test_classifying_is_preparing_and_running(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    classifier = Classifier(tmp_path / "model.onnx")
    image = plain(10, 20, 30)
    whole, halves = (
        classifier.classify(image),
        classifier.classify_prepared(classifier.prepare(image)),
    )
    np.testing.assert_array_equal(whole.probabilities, halves.probabilities)


def test_the_top_labels_are_in_order_and_no_more_than_there_are() -> None:
    prediction = Prediction(("a", "b", "c"), np.array([0.2, 0.5, 0.3], dtype=np.float32))
    assert [label for label, _ in prediction.top(9)] == ["b", "c", "a"]


def test_a_card_survives_the_file_with_any_name_in_it(tmp_path: Path) -> None:
    card = write_tiny_model(tmp_path / "model.onnx", labels=["grün", "赤 いろ", 'with "quotes"'])
    assert Classifier(tmp_path / "model.onnx").card == card
    assert read_card(card.to_json(), tmp_path) == card


def test_a_card_of_the_same_format_with_more_in_it_is_read(tmp_path: Path) -> None:
    card = write_tiny_model(tmp_path / "model.onnx")
    with_card(tmp_path / "model.onnx", {"added_later": [1, 2]})
    assert Classifier(tmp_path / "model.onnx").card == card


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": FORMAT_VERSION + 1}, f"format {FORMAT_VERSION + 1}.*Update"),
        ({"labels": ["a", "b"]}, "2 labels.*3 values"),
        ({"labels": ["a"]}, "damaged"),
        ({"labels": None}, "damaged"),
        ({"input_size": 64}, "64 pixels"),
        ({"input_size": "wide"}, "damaged"),
        ({"format_version": "one"}, "damaged"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    with_card(path, changes)
    with pytest.raises(ModelError, match=message):
        Classifier(path)


@pytest.mark.parametrize("content", [b"", b"hello", None, "half"])
def test_what_is_no_whole_model_is_refused(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "model.onnx"
    if content == "half":
        write_tiny_model(path)
        whole = path.read_bytes()
        content = whole[: len(whole) // 2]
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"python train\.py"):
        Classifier(path)


def test_a_model_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            Classifier(path)


def test_an_onnx_file_without_a_card_says_what_makes_one(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    model = onnx.load(path)
    del model.metadata_props[:]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"without a model card.*train\.py"):
        Classifier(path)


def test_writing_again_replaces_the_card(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    card = dataclasses.replace(write_tiny_model(path), precision="int8", history=("did it",))
    write_model(onnx.load(path), card, path)
    found: ModelCard = Classifier(path).card
    assert found == card
    assert [entry.key for entry in onnx.load(path).metadata_props] == [CARD_KEY]


def test_the_model_taught_last_is_the_newest(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model under"):
        newest_model(tmp_path)
    for age, name in enumerate(["b", "c", "a"]):
        path = tmp_path / name / "model.onnx"
        write_tiny_model(path)
        os.utime(path, (1000 + age, 1000 + age))
    assert newest_model(tmp_path) == tmp_path / "a" / "model.onnx"


def test_a_folder_stands_for_the_model_in_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model\.onnx"):
        find_model(tmp_path)
    write_tiny_model(tmp_path / "model.onnx")
    assert find_model(tmp_path) == tmp_path / "model.onnx"


def test_a_score_above_the_threshold_is_unknown_and_keeps_the_likeliest_label(
    tmp_path: Path,
) -> None:
    card = write_tiny_model(tmp_path / "model.onnx", unknown_threshold=2.0)
    classifier = Classifier(tmp_path / "model.onnx")
    assert classifier.card == card
    known, unknown = (
        classifier.classify(plain(0, 255, 0)),
        classifier.classify(plain(240, 255, 240)),
    )
    assert known.unknown_score == pytest.approx(1.0, abs=1e-4)
    assert not known.is_unknown
    assert unknown.unknown_score == pytest.approx(735 / 255, abs=1e-4)
    assert unknown.is_unknown
    assert unknown.label == "green"


def test_how_readily_it_says_unknown_is_a_threshold_of_the_card(tmp_path: Path) -> None:
    own = write_tiny_model(tmp_path / "model.onnx", unknown_threshold=2.0)
    card = dataclasses.replace(own, unknown_threshold=1.0, strict_threshold=0.6)
    assert [card.threshold_at(level) for level in UNKNOWN_LEVELS] == [0.6, 1.0, None]
    of_before = dataclasses.replace(card, strict_threshold=None)
    assert [of_before.threshold_at(level) for level in UNKNOWN_LEVELS] == [1.0, 1.0, None]
    telling_nothing = dataclasses.replace(card, unknown_threshold=None)
    assert [telling_nothing.threshold_at(level) for level in UNKNOWN_LEVELS] == [None] * 3
    with pytest.raises(ValueError, match="strikt"):
        card.threshold_at("strikt")
    assert read_card(card.to_json(), Path("model.onnx")) == card


def test_a_model_that_knows_no_unknown_never_says_it(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    found = Classifier(tmp_path / "model.onnx").classify(plain(255, 255, 255))
    assert found.unknown_score is None
    assert not found.is_unknown


def test_a_model_file_says_unknown_as_readily_as_it_is_asked_to(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx", unknown_threshold=4.0)
    with_card(tmp_path / "model.onnx", {"strict_threshold": 2.0})
    said = [
        Classifier(tmp_path / "model.onnx", unknown=level).classify(plain(255, 255, 255)).is_unknown
        for level in UNKNOWN_LEVELS
    ]
    assert said == [True, False, False]


def test_unknown_can_be_switched_off(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx", unknown_threshold=2.0)
    found = Classifier(tmp_path / "model.onnx", unknown="off").classify(plain(255, 255, 255))
    assert not found.is_unknown
    assert found.unknown_score == pytest.approx(3.0, abs=1e-4)


def test_a_score_that_is_no_number_is_unknown() -> None:
    found = Prediction(("a", "b"), np.array([0.5, 0.5], np.float32), float("nan"), 1.0)
    assert found.is_unknown


def test_a_threshold_without_its_output_is_refused(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    with_card(tmp_path / "model.onnx", {"unknown_threshold": 1.0})
    with pytest.raises(ModelError, match="'unknown'"):
        Classifier(tmp_path / "model.onnx")


def test_a_threshold_that_is_no_number_is_a_damaged_card(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx", unknown_threshold=1.0)
    with_card(tmp_path / "model.onnx", {"unknown_threshold": "high"})
    with pytest.raises(ModelError, match="damaged model card"):
        Classifier(tmp_path / "model.onnx")


def test_the_runtime_changes_and_the_answers_stay(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    classifier = Classifier(path, ExecutionConfig("cpu", 2))
    before = classifier.classify(plain(0, 0, 255))
    classifier.change_runtime(ExecutionConfig("cpu", 1))
    assert classifier.runtime.endswith("cpu on 1 thread")
    after = classifier.classify(plain(0, 0, 255))
    np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-6)


def test_a_file_that_became_another_model_takes_over_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_tiny_model(path)
    classifier = Classifier(path, ExecutionConfig("cpu", 2))
    write_tiny_model(path, ("hot", "cold"))
    with pytest.raises(ModelError, match="another model than the one that runs"):
        classifier.change_runtime(ExecutionConfig("cpu", 1))
    assert classifier.runtime.endswith("cpu on 2 threads")
    assert classifier.classify(plain(0, 0, 255)).label == "red"
