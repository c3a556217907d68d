"""The head that follows every snapshot is the one that a fit from scratch gives."""

from __future__ import annotations

import numpy as np
import pytest

from webcam_classifier.head.discriminant import LinearHead, fit_head
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.teaching.known_pictures import KnownPicture
from webcam_classifier.teaching.running_head import RunningHead

WIDTH = 24
LOOKS = 3
LABELS = ("cup", "none", "pen")


def picture(label: str, number: int, looks: int = LOOKS) -> KnownPicture:
    generator = np.random.default_rng((LABELS.index(label), number))
    values = generator.normal(0, 0.2, (looks, WIDTH)) + np.eye(WIDTH)[LABELS.index(label)]
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return KnownPicture(label, f"{number}", True, embeddings=values.astype(np.float32))


def from_scratch(pictures: dict[str, list[KnownPicture]]) -> LinearHead:
    ordered = [one for label in sorted(pictures) for one in pictures[label]]
    seen = [one.embeddings[:LOOKS] for one in ordered if one.embeddings is not None]
    counts = [len(embeddings) for embeddings in seen]
    indices = [sorted(pictures).index(one.label) for one in ordered]
    firsts = np.concatenate([np.arange(count) == 0 for count in counts])
    repeated = np.repeat(np.array(indices, np.int64), counts)
    views = EmbeddedViews(np.concatenate(seen), repeated, np.arange(len(firsts)), firsts)
    return fit_head(views, len(pictures), temperature=5.0)


def check(running: RunningHead, pictures: dict[str, list[KnownPicture]]) -> None:
    fitted = running.fit(pictures, LOOKS, temperature=5.0)
    assert fitted is not None
    labels, head = fitted
    assert labels == tuple(sorted(pictures))
    expected = from_scratch(pictures)
    # What all labels have in common tells nothing apart: it depends on the middle that is chosen.
    for own, other in ((head.weights, expected.weights), (head.bias, expected.bias)):
        np.testing.assert_allclose(own - own.mean(axis=0), other - other.mean(axis=0), atol=1e-3)
    assert running.count == sum(map(len, pictures.values()))


def test_it_follows_snapshots_that_come_and_go() -> None:
    running = RunningHead()
    pictures = {label: [picture(label, number) for number in range(8)] for label in ("cup", "pen")}
    check(running, pictures)
    pictures["pen"].append(picture("pen", 50, looks=1))  # seen live, without views
    check(running, pictures)
    pictures["pen"][-1] = picture("pen", 50, looks=9)  # then as a file; only some looks count
    check(running, pictures)
    pictures["none"] = [picture("none", 0)]
    check(running, pictures)
    del pictures["none"]
    check(running, pictures)
    pictures["cup"] = pictures["cup"][:6]
    check(running, pictures)
    pictures["cup"] = [picture("cup", number) for number in range(100, 104)]
    check(running, pictures)


def test_a_thousand_changes_leave_no_trace() -> None:
    running = RunningHead()
    pictures = {label: [picture(label, number) for number in range(20)] for label in ("cup", "pen")}
    generator = np.random.default_rng(0)
    for number in range(1000):
        own = pictures["cup" if number % 2 else "pen"]
        own[int(generator.integers(len(own)))] = picture(own[0].label, 100 + number)
        running.fit(pictures, LOOKS, temperature=5.0)
    check(running, pictures)


def test_another_number_of_looks_begins_anew() -> None:
    running = RunningHead()
    pictures = {label: [picture(label, number) for number in range(8)] for label in ("cup", "pen")}
    running.fit(pictures, 1, temperature=5.0)
    check(running, pictures)


@pytest.mark.parametrize("labels", [[], ["cup"]])
def test_fewer_than_two_labels_are_no_choice(labels: list[str]) -> None:
    pictures = {label: [picture(label, 0)] for label in labels}
    unseen = {"none": [KnownPicture("none", "0", is_on_disk=True)]}
    assert RunningHead().fit(pictures | unseen, LOOKS, temperature=5.0) is None
