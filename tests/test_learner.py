"""The learner: the same pictures give the same head, whatever came and went before."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_features import WIDTH, tiny_backbone
from webcam_classifier.dataset.index import Picture
from webcam_classifier.dataset.snapshot_name import SnapshotName
from webcam_classifier.head.fitted_head import FittedHead
from webcam_classifier.head.learner import Calibration, Learner
from webcam_classifier.model.classifier import Classifier

LABELS = ("cup", "none", "pen")
VIEWS = 9


def picture(label: str, number: int, views: int = VIEWS) -> Picture:
    """A picture around its label's place, a bit aside with its burst."""
    burst = number // 4
    generator = np.random.default_rng((LABELS.index(label), number))
    aside = np.random.default_rng((9, LABELS.index(label), burst)).normal(0, 0.12, WIDTH)
    values = generator.normal(0, 0.1, (views, WIDTH)) + np.eye(WIDTH)[LABELS.index(label)] + aside
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    name = SnapshotName("20260101T000000x000000", burst + 1, number % 4 + 1).format()
    return Picture(
        label,
        f"{name}.jpg",
        content_hash=f"{label}{number}",
        embeddings=values.astype(np.float32),
        fingerprint=generator.random(256) < 0.5,
    )


def at_once(pictures: list[Picture]) -> tuple[Calibration | None, FittedHead | None]:
    learner = Learner(tiny_backbone())
    for one in pictures:
        learner.add(one)
    calibration = learner.calibrate()
    return calibration, learner.fit()


def check_same(learner: Learner, pictures: list[Picture]) -> None:
    """Compare with a learner that never saw anything else, to the last bit."""
    calibration, head = learner.calibrate(), learner.fit()
    expected_calibration, expected = at_once(pictures)
    assert (head is None) == (expected is None)
    if head is None or expected is None:
        return
    assert calibration is not None
    assert expected_calibration is not None
    assert head.labels == expected.labels
    np.testing.assert_array_equal(head.linear.weights, expected.linear.weights)
    np.testing.assert_array_equal(head.linear.bias, expected.linear.bias)
    assert head.linear.temperature == expected.linear.temperature
    assert head.novelty is not None
    assert expected.novelty is not None
    for name in ("projection", "offset", "snapshots", "centres", "scales", "strict_threshold"):
        np.testing.assert_array_equal(
            getattr(head.novelty, name), getattr(expected.novelty, name), err_msg=name
        )
    own, other = calibration.evaluation, expected_calibration.evaluation
    assert (own is None) == (other is None)
    if own is not None and other is not None:
        np.testing.assert_array_equal(own.confusion, other.confusion)
        np.testing.assert_array_equal(own.shown, other.shown)
        assert own.interval == other.interval
    assert calibration.rests_on == expected_calibration.rests_on


step = st.tuples(
    st.sampled_from(("add", "add", "add", "remove", "live", "fit")),
    st.sampled_from(LABELS),
    st.integers(0, 15),
)


@given(st.lists(step, max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_sequence_of_additions_and_removals_leaves_no_trace(
    steps: list[tuple[str, str, int]],
) -> None:
    learner = Learner(tiny_backbone())
    held: dict[tuple[str, int], Picture] = {}
    for what, label, number in steps:
        one = picture(label, number)
        if what == "remove":
            learner.remove(one)
            held.pop((label, number), None)
        elif what == "fit":
            learner.fit()
        elif what == "live" and (label, number) not in held:  # seen live, its file comes later
            assert one.embeddings is not None
            seen = one.embeddings[:1] + np.float32(0.01)
            learner.add(dataclasses.replace(one, embeddings=seen, fingerprint=None))
            learner.fit()
            learner.add(one)
            held[label, number] = one
        else:
            learner.add(one)
            held[label, number] = one
    check_same(learner, list(held.values()))


def test_the_order_in_which_pictures_come_makes_no_difference() -> None:
    pictures = [picture(label, number) for label in LABELS for number in range(12)]
    shuffled = [pictures[place] for place in np.random.default_rng(0).permutation(len(pictures))]
    learner = Learner(tiny_backbone())
    for one in shuffled:
        learner.add(one)
        learner.fit()
    check_same(learner, pictures)


def test_a_thousand_changes_leave_no_trace() -> None:
    learner = Learner(tiny_backbone())
    pictures = {(label, n): picture(label, n) for label in ("cup", "pen") for n in range(20)}
    learner.set_pictures({"cup": [], "pen": []})
    for one in pictures.values():
        learner.add(one)
    for number in range(1000):
        label = "cup" if number % 2 else "pen"
        gone = pictures.pop((label, number // 2 % 20 + (20 if number >= 40 else 0)), None)
        if gone is not None:
            learner.remove(gone)
        new = 20 + number % 23
        pictures[label, new] = picture(label, new)
        learner.add(pictures[label, new])
        learner.fit()
    check_same(learner, list(pictures.values()))


def test_more_pictures_than_have_room_for_all_views_begin_anew() -> None:
    learner = Learner(tiny_backbone())
    pictures = [picture(label, number) for label in LABELS for number in range(100)]
    for one in pictures[:250]:
        learner.add(one)
    learner.fit()
    assert learner.views == 9
    for one in pictures[250:]:
        learner.add(one)
    assert learner.views < 9
    check_same(learner, pictures)


@pytest.mark.parametrize("labels", [[], ["cup"]])
def test_fewer_than_two_labels_are_no_choice(labels: list[str]) -> None:
    learner = Learner(tiny_backbone())
    for label in labels:
        learner.add(picture(label, 0))
    learner.add(Picture("none", "unseen.jpg"))
    assert learner.fit() is None
    assert learner.calibrate() is None
    with pytest.raises(ValueError, match="two labels"):
        learner.model()


def test_every_picture_is_asked_once_by_a_head_that_never_saw_its_burst() -> None:
    """Labels that are drawn by lot: a head that saw a burst would know them again."""
    pictures = []
    for burst in range(12):
        label = ("cup", "pen")[burst % 2]
        place = np.random.default_rng(burst).normal(size=WIDTH)
        for index in range(6):
            values = place + np.random.default_rng((burst, index)).normal(0, 0.01, (VIEWS, WIDTH))
            values /= np.linalg.norm(values, axis=1, keepdims=True)
            name = SnapshotName("20260101T000000x000000", burst + 1, index + 1).format()
            bits = np.random.default_rng(100 * burst + index).random(256) < 0.5
            pictures.append(
                Picture(
                    label,
                    f"{name}.jpg",
                    embeddings=values.astype(np.float32),
                    fingerprint=bits,
                )
            )
    calibration, _ = at_once(pictures)
    assert calibration is not None
    assert calibration.evaluation is not None
    assert calibration.evaluation.count == 72
    assert sorted(calibration.found.asked.tolist()) == list(range(72))
    assert calibration.evaluation.accuracy < 0.8
    assert calibration.rests_on == "bursts that were left out in turn"
    assert calibration.cut_labels == ()


def test_what_is_not_shown_to_be_known_is_told_beside_what_is_right() -> None:
    calibration, _ = at_once([picture(label, n) for label in LABELS for n in range(16)])
    assert calibration is not None
    evaluation = calibration.evaluation
    assert evaluation is not None
    shares = (evaluation.shown_right, evaluation.shown_wrong, evaluation.shown_unknown)
    assert sum(shares) == pytest.approx(1.0)
    assert evaluation.shown_right <= evaluation.accuracy


def test_it_writes_the_file_that_answers_as_it_does(tmp_path: Path) -> None:
    learner = Learner(tiny_backbone())
    for label in LABELS:
        for number in range(8):
            learner.add(picture(label, number))
    learner.calibrate()
    head = learner.fit()
    assert head is not None
    learner.write(tmp_path / "model.onnx", "dataset")
    classifier = Classifier(tmp_path / "model.onnx")
    assert classifier.card.labels == LABELS
    assert classifier.card.accuracy_count == 24
    features = Classifier.of_features(_features(tmp_path), classifier.card)
    features.head = head
    for seed in range(5):
        image = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        own, expected = features.classify(image), classifier.classify(image)
        np.testing.assert_allclose(own.probabilities, expected.probabilities, atol=1e-5)
        assert own.unknown_score == pytest.approx(expected.unknown_score, rel=1e-3, abs=1e-3)
        assert own.embedding is not None
        assert own.embedding.shape == (WIDTH,)


def _features(folder: Path) -> Path:
    path = folder / "features.onnx"
    path.write_bytes(tiny_backbone().features.SerializeToString())
    return path
