"""Every way to a model says the same of the same pictures: the folder that is read, and live."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.some_pictures import copy_some
from webcam_classifier.backbone.load import load_backbone
from webcam_classifier.cli import train
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.evaluation.metrics import Evaluation
from webcam_classifier.head.fitted_head import FittedHead
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.providers import ExecutionConfig
from webcam_classifier.teaching.session import TeachingSession

SIZE = 96  # pixels, for a quick test

FOLDERS = {
    "a person's gestures": ("thumbs/person_1", 8),
    "consecutive frames of another": ("rock_paper_scissors/person_2", 10),
    "photographs": ("masks", 10),
    "kinds of flowers": ("flowers/train", 8),
}


def initializers(model: Path) -> dict[str, NDArray[np.generic]]:
    graph = onnx.load(model).graph
    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


def taught_live(folder: Path, weights: Path) -> tuple[FittedHead, Evaluation, str]:
    """Have a session learn what is in a folder, and return head, figures and what they rest on."""
    backbone = load_backbone("squeezenet1_1", str(weights), SIZE)
    with TeachingSession(folder, backbone, runtime=ExecutionConfig(threads=1)) as session:
        assert session.wait_until_learnt(100.0)
        head, accuracy = session.classifier.head, session.learning_state().accuracy
    assert isinstance(head, FittedHead)
    assert accuracy is not None
    return head, accuracy.evaluation, accuracy.rests_on


@pytest.mark.parametrize("name", FOLDERS)
def test_the_head_and_the_figure_of_train_are_those_of_live_teaching(
    name: str, tmp_path: Path, shared_data: Path, squeezenet_weights: Path
) -> None:
    source, step = FOLDERS[name]
    folder = tmp_path / "dataset"
    copy_some(shared_data / source, folder, step=step)
    alone = tmp_path / "alone"
    shutil.copytree(folder, alone)  # where nothing of the other way is remembered
    command = [str(alone), "--mode", "head", "--input-size", str(SIZE)]
    train.main([*command, "--weights", str(squeezenet_weights), "--output", str(tmp_path / "m")])
    head, evaluation, rests_on = taught_live(folder, squeezenet_weights)

    written = initializers(tmp_path / "m" / "model.onnx")
    np.testing.assert_array_equal(written["head.weight"], head.linear.weights)
    np.testing.assert_array_equal(written["head.bias"], head.linear.bias)
    assert head.novelty is not None
    np.testing.assert_array_equal(written["unknown.projection"], head.novelty.projection)
    np.testing.assert_array_equal(written["unknown.snapshot.bank"], head.novelty.snapshots)
    np.testing.assert_array_equal(written["unknown.centre.bank"], head.novelty.centres)
    np.testing.assert_array_equal(written["unknown.scales"], head.novelty.scales)

    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    expected = json.loads(json.dumps(evaluation.to_dict()))
    assert {key: metrics[key] for key in expected} == expected
    assert metrics["rests_on"] == rests_on
    assert metrics["details"]["temperature"] == head.linear.temperature
    card = Classifier(tmp_path / "m" / "model.onnx").card
    assert (card.accuracy, card.accuracy_count) == (evaluation.accuracy, evaluation.count)
    assert card.accuracy_rests_on == rests_on


@pytest.mark.parametrize("case", ["off_on", "red_green_blue"])
def test_labels_of_one_colour_each_are_told_apart(
    case: str, tmp_path: Path, shared_cases: Path, squeezenet_weights: Path
) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(shared_cases / "solid_colours" / case, folder)
    command = [str(folder), "--mode", "head", "--weights", str(squeezenet_weights)]
    train.main([*command, "--output", str(tmp_path / "m")])
    classifier = Classifier(tmp_path / "m" / "model.onnx")
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert metrics["accuracy"] == 1.0
    for path in sorted(folder.rglob("*.png")):
        found = classifier.classify(read_picture(path))
        assert (found.label, found.is_unknown) == (path.parent.name, False)
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    assert classifier.classify(noise).is_unknown
