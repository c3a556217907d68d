"""A task as the frozen network sees it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.coloured_pictures import COLOURS, write_coloured_pictures
from webcam_classifier.backbone.embedder import VIEWS
from webcam_classifier.backbone.load import FrozenFeatures
from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures
from webcam_classifier.dataset.split import split_pictures
from webcam_classifier.head.embedded_dataset import EmbeddedDataset, embed_dataset, embed_views
from webcam_classifier.head.training_task import TrainingTask
from webcam_classifier.model_card import BATCH_AXIS, INPUT_NAME

SIZE = 64


def mean_colour(size: int) -> onnx.ModelProto:
    """A real graph whose embedding is the mean blue, green and red: what it saw can be checked."""
    shape: list[str | int | None] = [BATCH_AXIS, size, size, 3]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [INPUT_NAME], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["embedding"], axes=[1, 2], keepdims=0),
        ],
        "mean_colour",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [BATCH_AXIS, 3])],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def lesson_of(pictures: LabelledPictures, test: LabelledPictures | None = None) -> TrainingTask:
    split = split_pictures(
        pictures.names, pictures.label_indices, pictures.labels, pictures.fingerprints,
        hold_test=test is None,
    )  # fmt: skip
    return TrainingTask(pictures, split, test, "squeezenet1_1", SIZE, 0, False, 0.0)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> LabelledPictures:
    folder = tmp_path_factory.mktemp("data") / "pictures"
    write_coloured_pictures(folder, 10)
    return load_labelled_pictures(folder, SIZE)


@pytest.fixture(scope="module")
def embedded(pictures: LabelledPictures) -> EmbeddedDataset:
    return embed_dataset(lesson_of(pictures), FrozenFeatures(mean_colour(SIZE), "no weights"))


def test_each_picture_comes_first_and_its_views_behind_it(
    embedded: EmbeddedDataset, pictures: LabelledPictures
) -> None:
    views = embedded.views
    assert views.embeddings.shape == (20 * (1 + VIEWS), 3)
    np.testing.assert_allclose(np.linalg.norm(views.embeddings, axis=1), 1.0, atol=1e-5)
    assert np.flatnonzero(views.is_original).tolist() == list(range(0, 180, 1 + VIEWS))
    np.testing.assert_array_equal(views.label_indices[views.is_original], pictures.label_indices)
    blue_is_most = views.embeddings.argmax(axis=1) == 0
    np.testing.assert_array_equal(blue_is_most, views.label_indices == 0)
    of_each = views.embeddings.reshape(20, 1 + VIEWS, 3)
    assert (np.ptp(of_each, axis=1) > 0).all(), "all views of a picture are the same"


def test_of_gives_pictures_with_all_their_views(embedded: EmbeddedDataset) -> None:
    some = embedded.of(np.array([3, 17]))
    assert len(some.label_indices) == 2 * (1 + VIEWS)
    np.testing.assert_array_equal(some.embeddings[0], embedded.views.embeddings[3 * (1 + VIEWS)])
    assert some.label_indices.tolist() == [0] * (1 + VIEWS) + [1] * (1 + VIEWS)
    assert len(embedded.of(np.zeros(0, dtype=np.int64)).label_indices) == 0


def test_nothing_is_elsewhere_and_what_is_strange_is_there(embedded: EmbeddedDataset) -> None:
    assert embedded.elsewhere is None
    assert embedded.source == "no weights"
    assert {found.shape for found in embedded.strange.values()} == {(40, 3)}


def test_the_labels_of_elsewhere_are_the_lessons(
    pictures: LabelledPictures, tmp_path: Path
) -> None:
    # A folder of red alone: its only label is number 0 there, and number 1 in the task.
    write_coloured_pictures(tmp_path / "red", 4, {"red": COLOURS["red"]}, seed=1)
    test = load_labelled_pictures(tmp_path / "red", SIZE)
    assert test.label_indices.tolist() == [0] * 4
    frozen = FrozenFeatures(mean_colour(SIZE), "no weights")
    elsewhere = embed_dataset(lesson_of(pictures, test), frozen).elsewhere
    assert elsewhere is not None
    assert elsewhere.label_indices.tolist() == [1] * 4
    assert elsewhere.is_original.all()
    assert elsewhere.embeddings.argmax(axis=1).tolist() == [2] * 4


def test_the_same_seed_gives_the_same_views_and_another_one_others(
    pictures: LabelledPictures,
) -> None:
    bursts = np.arange(20)
    first, again, other = (
        embed_views(pictures, bursts, mean_colour(SIZE), SIZE, seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.embeddings, again.embeddings)
    moved = first.embeddings != other.embeddings
    assert not moved[first.is_original].any()
    assert moved[~first.is_original].any(axis=1).all()


@pytest.mark.parametrize(("count", "views"), [(250, 8), (400, 5), (800, 2), (5000, 2)])
def test_many_pictures_have_fewer_views(pictures: LabelledPictures, count: int, views: int) -> None:
    many = pictures.at(np.arange(count) % len(pictures))
    tiny = dataclasses.replace(many, images=tuple(image[:16, :16] for image in many.images))
    found = embed_views(tiny, np.arange(count), mean_colour(16), 16, seed=0)
    assert found.embeddings.shape == (count * (1 + views), 3)
    assert found.is_original.sum() == count
    assert found.bursts[:: 1 + views].tolist() == list(range(count))
