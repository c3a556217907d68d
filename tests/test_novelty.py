"""What is unknown: the score, the same in the graph, and its threshold."""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from sklearn.metrics import roc_auc_score

from webcam_classifier.evaluation.ood_pictures import OOD_PICTURES, ood_pictures
from webcam_classifier.head.cross_validation import fit_calibrated
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.lda import append_head
from webcam_classifier.head.novelty import (
    NEW_RECORDING_REACH,
    UNKNOWN_THRESHOLD,
    append_novelty,
    few_bursts_margin,
    fit_novelty,
)
from webcam_classifier.model_card import BATCH_AXIS, OUTPUT_NAME, UNKNOWN_NAME
from webcam_classifier.report.novelty_check import check_novelty

FEATURES = 24


def clouds(
    label_count: int, pictures: int, seed: int = 0, bursts: int = 5, views: int = 3
) -> EmbeddedViews:
    """Pictures with near duplicates of them around one centre for each label."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(label_count, FEATURES))
    labels = np.repeat(np.arange(label_count), pictures)
    own = centres[labels] + 0.5 * generator.normal(size=(labels.size, FEATURES))
    near = np.repeat(own, views, axis=0)
    is_original = np.arange(len(near)) % views == 0
    near[~is_original] += 0.1 * generator.normal(size=(int((~is_original).sum()), FEATURES))
    recording = np.arange(labels.size) * bursts // pictures
    return EmbeddedViews(
        near.astype(np.float32), np.repeat(labels, views), np.repeat(recording, views), is_original
    )


def elsewhere(pictures: int) -> np.ndarray:
    generator = np.random.default_rng(5)
    centre = 1.5 * generator.normal(size=FEATURES)
    values = centre + 0.5 * generator.normal(size=(pictures, FEATURES))
    return np.asarray(values, dtype=np.float32)


def identity_features(opset: int) -> onnx.ModelProto:
    """A graph whose embedding is its input."""
    shape: list[str | int | None] = [BATCH_AXIS, FEATURES]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["values"], ["embedding"])],
        "identity",
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


@pytest.mark.parametrize("opset", [17, 18, 20])
@pytest.mark.parametrize("pictures", [8, 120])  # fewer and more than there are centres
def test_the_graph_gives_the_scores_that_numpy_gives(opset: int, pictures: int) -> None:
    views = clouds(3, pictures)
    head, novelty = fit_calibrated(views, 3)
    graph = append_novelty(append_head(identity_features(opset), head), novelty)
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    asked = np.concatenate([views.embeddings[:20], elsewhere(20), 100 * elsewhere(3)])
    probabilities, scores = session.run([OUTPUT_NAME, UNKNOWN_NAME], {"values": asked})
    assert probabilities.shape == (43, 3)
    assert scores.shape == (43,)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, novelty.scores(asked), rtol=1e-3, atol=1e-2)
    (one,) = session.run([UNKNOWN_NAME], {"values": asked[25:26]})
    np.testing.assert_allclose(one, scores[25:26], rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("label_count", [2, 3, 6])
def test_new_pictures_of_known_labels_pass_and_others_do_not(label_count: int) -> None:
    novelty = fit_calibrated(clouds(label_count, 60), label_count)[1]
    new = clouds(label_count, 200, seed=1, views=1).embeddings
    assert (novelty.scores(new) <= UNKNOWN_THRESHOLD).mean() == pytest.approx(0.95, abs=0.06)
    assert (novelty.scores(elsewhere(100)) > UNKNOWN_THRESHOLD).mean() > 0.95


def test_the_threshold_rests_on_pictures_that_the_network_did_not_learn_from() -> None:
    views, held_out = clouds(3, 40), clouds(3, 40, seed=1)
    wide = dataclasses.replace(held_out, embeddings=held_out.embeddings * np.float32(1.3))
    novelty = fit_novelty(views, 3, wide)
    asked = wide.embeddings[wide.is_original]
    assert (novelty.scores(asked) <= UNKNOWN_THRESHOLD).mean() == pytest.approx(0.95, abs=0.02)
    strict = fit_calibrated(views, 3)[1].scores(asked)
    assert (strict <= UNKNOWN_THRESHOLD).mean() < 0.8


def near_copies(aside: float) -> EmbeddedViews:
    """Two labels in one narrow recording each, or in one that is elsewhere by so much."""
    generator = np.random.default_rng(3)
    places = np.eye(FEATURES)[np.repeat([0, 1], 40)] + aside * np.eye(FEATURES)[2]
    values = places + 0.02 * generator.normal(size=places.shape)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    labels = np.repeat([0, 1], 40)
    return EmbeddedViews(
        values.astype(np.float32), labels, np.arange(80), np.ones(80, dtype=np.bool_)
    )


def test_near_copies_of_one_recording_do_not_make_the_threshold_tight() -> None:
    novelty = fit_calibrated(near_copies(0.0), 2)[1]
    elsewhere_too = near_copies(0.3).embeddings
    scores = novelty.scores(elsewhere_too)
    assert (scores <= UNKNOWN_THRESHOLD).all()
    assert (scores > novelty.strict_threshold).all()
    assert (novelty.scores(near_copies(0.0).embeddings) <= novelty.strict_threshold).mean() > 0.9
    unrelated = np.eye(FEATURES, dtype=np.float32)[5:9]
    assert (novelty.scores(unrelated) > UNKNOWN_THRESHOLD).all()


def test_nothing_recorded_makes_the_threshold_tighter_than_a_new_recording_is_far() -> None:
    for views in (near_copies(0.0), clouds(3, 60), clouds(2, 4, bursts=1)):
        novelty = fit_calibrated(views, int(views.label_indices.max()) + 1)[1]
        assert (novelty.scales <= 1.0 / np.array(NEW_RECORDING_REACH) + 1e-6).all()
        assert 0.0 < novelty.strict_threshold <= UNKNOWN_THRESHOLD


def drawn_bursts(bursts: int, between: float, generator: np.random.Generator) -> np.ndarray:
    """Scores of bursts of twelve pictures, (bursts, 12)."""
    own = 1.0 + between * generator.normal(size=(bursts, 1))
    return np.asarray(own + 0.1 * generator.normal(size=(bursts, 12)))


@pytest.mark.parametrize("bursts", [2, 3, 5, 20])
@pytest.mark.parametrize("between", [0.0, 0.3])
def test_the_margin_of_few_bursts_keeps_the_promise_about_a_next_one(
    bursts: int, between: float
) -> None:
    generator = np.random.default_rng(bursts)
    numbers = np.repeat(np.arange(bursts), 12)
    labels = np.zeros(bursts * 12, dtype=np.int64)
    passed, without = [], []
    for _ in range(300):
        scores = drawn_bursts(bursts, between, generator)
        quantile = np.quantile(scores, 0.95)
        margin = few_bursts_margin(scores.ravel(), labels, numbers)
        new = drawn_bursts(20, between, generator)
        passed.append((new <= quantile + margin).mean())
        without.append((new <= quantile).mean())
    assert np.mean(passed) > (0.84 if bursts == 2 else 0.88)
    assert np.mean(passed) >= np.mean(without)
    if between and bursts < 5:
        assert np.mean(passed) > np.mean(without) + 0.05  # the quantile alone promises too much


def test_many_bursts_need_no_margin_and_single_ones_tell_nothing() -> None:
    scores = drawn_bursts(400, 0.3, np.random.default_rng(0)).ravel()
    labels = np.repeat([0, 1], 2400)
    many = few_bursts_margin(scores, labels, np.repeat(np.arange(400), 12))
    assert 0.0 <= many < 0.01
    assert few_bursts_margin(scores, labels, labels) == 0.0
    assert few_bursts_margin(np.ones(8), np.zeros(8, dtype=np.int64), np.arange(8)) == 0.0


@pytest.mark.parametrize("bursts", [1, 2])
@pytest.mark.parametrize("pictures", [1, 2, 10])
def test_few_pictures_give_finite_scores(pictures: int, bursts: int) -> None:
    views = clouds(2, pictures, bursts=bursts)
    novelty = fit_calibrated(views, 2)[1]
    assert np.isfinite(novelty.scores(views.embeddings)).all()
    far = novelty.scores(50 * elsewhere(4))
    assert (far > UNKNOWN_THRESHOLD).all()


def test_pictures_that_are_all_alike_give_finite_scores() -> None:
    views = clouds(2, 10)
    same = dataclasses.replace(views, embeddings=np.ones_like(views.embeddings))
    assert np.isfinite(fit_calibrated(same, 2)[1].scores(same.embeddings)).all()


def test_what_is_remembered_stays_small() -> None:
    novelty = fit_calibrated(clouds(3, 600, views=1), 3)[1]
    assert len(novelty.snapshots) <= 1024
    assert len(novelty.centres) == 64


def test_each_label_is_left_out_in_turn() -> None:
    check = check_novelty(clouds(4, 40), ("a", "b", "c", "d"), {"noise": elsewhere(30)})
    assert [one.name for one in check.left_out] == ["a", "b", "c", "d"]
    assert all(one.auroc > 0.95 and one.accepted < 0.3 for one in check.left_out)
    assert [(one.name, one.count) for one in check.out_of_distribution] == [("noise", 30)]
    assert check.out_of_distribution[0].auroc > 0.95
    assert json.loads(json.dumps(dataclasses.asdict(check)))["left_out"][0]["count"] == 40


def test_of_two_labels_none_can_be_left_out() -> None:
    check = check_novelty(clouds(2, 20), ("a", "b"), {"noise": elsewhere(30)})
    assert check.left_out == ()
    assert check.auroc is None
    assert len(check.out_of_distribution) == 1


def test_the_check_of_an_ordinary_data_set_takes_no_time_to_speak_of() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 75)
    values = generator.normal(size=(4, 512))[labels] + generator.normal(size=(300, 512))
    views = EmbeddedViews(
        np.repeat(values, 5, axis=0).astype(np.float32),
        np.repeat(labels, 5),
        np.repeat(np.arange(300) // 15, 5),
        np.arange(1500) % 5 == 0,
    )
    started = time.process_time()
    check_novelty(views, ("a", "b", "c", "d"))
    assert time.process_time() - started < 6.0  # 1.5 on an idle machine


def test_ood_pictures_are_such_as_the_graph_takes() -> None:
    kinds = ood_pictures(64)
    assert set(kinds) == {"noise", "covered lens"}
    for pictures in kinds.values():
        assert len(pictures) == OOD_PICTURES
        assert {picture.shape for picture in pictures} == {(64, 64, 3)}
        assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}
    again = ood_pictures(64)["noise"][3]
    np.testing.assert_array_equal(kinds["noise"][3], again)


def test_a_score_orders_by_distance() -> None:
    novelty = fit_calibrated(clouds(3, 60), 3)[1]
    known = novelty.scores(clouds(3, 60, seed=2, views=1).embeddings)
    unknown = novelty.scores(elsewhere(60))
    truths = np.repeat([0, 1], [len(known), len(unknown)])
    assert roc_auc_score(truths, np.concatenate([known, unknown])) > 0.98
