"""Where a model found its label: on the hand where that is known, in every kind of model file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from benchmarks.explanation import ROOMS_ASKED, TAUGHT, hands_of, measure, scenes, teach
from tests.tiny_model import write_tiny_model
from webcam_classifier.backbone.joined import join_features
from webcam_classifier.backbone.load import load_backbone
from webcam_classifier.cli import evaluate, export
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.listing import list_pictures
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.errors import UserError
from webcam_classifier.head.fitted_head import FittedHead
from webcam_classifier.head.lda import LinearHead, append_head
from webcam_classifier.model.activation_map import ActivationMap
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.heat_map import draw_heat_map
from webcam_classifier.model.live_activation_map import LiveActivationMap
from webcam_classifier.model.writer import write_model
from webcam_classifier.preprocess import prepare
from webcam_classifier.ui.explanation import Explanation


def test_the_peak_is_on_the_hand(
    shared_data: Path, squeezenet_weights: Path, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    model = teach(shared_data, str(squeezenet_weights), 40, tmp_path, generator)
    hands = hands_of(shared_data / TAUGHT, 0.5, 1.0)
    found = measure(model, scenes(hands, shared_data / ROOMS_ASKED, 20, generator))
    assert found.right >= 0.7 * found.asked
    assert found.on_hand >= 0.9 * found.right
    assert found.by_chance < 0.3


def test_an_export_looks_where_its_original_looks(taught_model: Path, hands: Path) -> None:
    export.main([str(taught_model / "model.onnx"), "--precision", "fp16"])
    (half,) = taught_model.glob("*fp16*.onnx")
    original, exported = (
        ActivationMap.of_file(taught_model / "model.onnx"),
        ActivationMap.of_file(half),
    )
    size = Classifier(half).card.input_size
    for path in list_pictures(hands)[0][::50]:
        prepared = prepare(read_picture(path), size)
        expected = original.heat(prepared, 1)
        assert expected.min() >= 0.0
        assert expected.max() == 1.0
        assert np.corrcoef(exported.heat(prepared, 1).ravel(), expected.ravel())[0, 1] > 0.95


def test_a_network_without_a_map_says_so(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    with pytest.raises(UserError, match=r"can't tell where it looked"):
        ActivationMap.of_file(tmp_path / "model.onnx")


def test_networks_that_are_joined_look_where_they_look_alone(
    squeezenet_weights: Path, hands: Path
) -> None:
    backbone = load_backbone("squeezenet1_1", str(squeezenet_weights), 128)
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(3, backbone.width)).astype(np.float32)
    bias = np.zeros(3, np.float32)
    alone = ActivationMap(append_head(backbone.features, LinearHead(weights, bias, 1.0)), "alone")
    both = join_features([backbone.features, backbone.features])
    twice = LinearHead(np.concatenate([weights, weights], axis=1), bias, 1.0)
    joined = ActivationMap(append_head(both, twice), "joined")
    for path in list_pictures(hands)[0][::50]:
        prepared = prepare(read_picture(path), 128)
        expected, found = alone.heat(prepared, 1), joined.heat(prepared, 1)
        assert expected.max() == found.max() == 1.0
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.95


def test_a_head_beside_its_network_looks_where_its_model_looks(
    squeezenet_weights: Path, hands: Path
) -> None:
    backbone = load_backbone("squeezenet1_1", str(squeezenet_weights), 128)
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(3, backbone.width)).astype(np.float32)
    head = FittedHead(("a", "b", "c"), LinearHead(weights, np.zeros(3, np.float32), 1.0), None)
    model = ActivationMap(head.on(backbone.features), "model")
    features = ActivationMap(backbone.features, "features")
    for path in list_pictures(hands)[0][::50]:
        prepared = prepare(read_picture(path), 128)
        for label in range(3):
            expected = model.heat(prepared, label)
            found = features.heat(prepared, label, head)
            np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_live_picture_is_explained_by_what_labels_it(
    taught_model: Path, hands: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes((taught_model / "model.onnx").read_bytes())
    image = read_picture(list_pictures(hands)[0][0])
    classifier, found = Classifier(path), LiveActivationMap()
    label = classifier.classify(image).label
    heat = found.heat(classifier, None, image, label)
    assert heat is not None
    assert heat.max() == 1.0
    right_half = found.heat(classifier, Crop(0.5, 0.0, 0.5, 1.0), image, label)
    assert right_half is not None
    assert np.abs(right_half - heat).max() > 0.1
    assert found.heat(classifier, None, image, "a former label") is None
    graph = onnx.load(path)
    write_model(graph, replace(classifier.card, labels=classifier.card.labels[::-1]), path)
    assert found.heat(classifier, None, image, label) is not None, "it goes on with what it read"
    with pytest.raises(UserError, match="another model than the one that runs"):
        LiveActivationMap().heat(classifier, None, image, label)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="no longer a model file"):
        LiveActivationMap().heat(classifier, None, image, label)
    path.unlink()
    with pytest.raises(UserError, match=r"model\.onnx"):
        LiveActivationMap().heat(classifier, None, image, label)


def test_heat_lies_in_the_part_that_is_looked_at(taught_model: Path, hands: Path) -> None:
    classifier = Classifier(taught_model / "model.onnx")
    classifier.crop = Crop(0.5, 0.0, 0.5, 1.0)
    image = read_picture(list_pictures(hands)[0][0])
    explanation = Explanation(classifier)
    for mirrored in (False, True):
        view = np.ascontiguousarray(image[:, ::-1]) if mirrored else image.copy()
        drawn = view.copy()
        explanation.draw(drawn, image, classifier.classify(image), mirrored=mirrored)
        changed = np.abs(drawn.astype(int) - view).max(axis=(0, 2)) > 0
        half = image.shape[1] // 2
        assert changed[:half].any() == mirrored
        assert changed[half:].any() != mirrored


def test_without_heat_a_picture_stays_as_it_is() -> None:
    picture = np.full((40, 60, 3), 90, np.uint8)
    draw_heat_map(picture, np.zeros((4, 4), np.float32))
    assert (picture == 90).all()


def test_evaluate_saves_each_picture_by_what_was_said_of_it(
    taught_model: Path, hands: Path, tmp_path: Path
) -> None:
    folder, lines = tmp_path / "explained", tmp_path / "found.json"
    for path in list_pictures(hands)[0][::20]:
        place = tmp_path / "asked" / path.relative_to(hands)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    cv2.imwrite(str(place.with_suffix(".png")), read_picture(place))  # only its ending differs
    arguments = [str(taught_model), str(tmp_path / "asked"), "--json", str(lines)]
    evaluate.main([*arguments, "--explain", str(folder)])
    saved, _ = list_pictures(folder)
    assert len(saved) == len(list_pictures(tmp_path / "asked")[0])
    assert {path.relative_to(folder).parts[0] for path in saved} <= {"right", "wrong"}


def test_a_label_of_a_model_from_elsewhere_leads_out_of_no_folder(
    taught_model: Path, hands: Path, tmp_path: Path
) -> None:
    graph = onnx.load(taught_model / "model.onnx")
    card = Classifier(taught_model / "model.onnx").card
    said, truth = card.labels[:2]
    leading_out = "x/../../../../elsewhere"
    names = tuple(leading_out if label == said else label for label in card.labels)
    write_model(graph, replace(card, labels=names), tmp_path / "model.onnx")
    for place, path in enumerate(sorted((hands / said).iterdir())[:3]):
        asked = tmp_path / "asked" / truth / f"{place}{path.suffix}"
        asked.parent.mkdir(parents=True, exist_ok=True)
        asked.write_bytes(path.read_bytes())
    folder = tmp_path / "there" / "explained"
    evaluate.main([str(tmp_path / "model.onnx"), str(tmp_path / "asked"), "--explain", str(folder)])
    saved = [path for path in (tmp_path / "there").rglob("*") if path.is_file()]
    assert len(saved) == 3
    assert all(path.parent.parent == folder / "wrong" for path in saved)
