"""Whether views may be mirrored, asked of the real network on real and on drawn pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.drawn_pictures import draw
from webcam_classifier.backbone.feature_graph import FeatureExtractor, with_normalised_embedding
from webcam_classifier.backbone.load import frozen_features
from webcam_classifier.frame import BgrImage
from webcam_classifier.head.mirroring import MirrorDecision, decide_mirroring
from webcam_classifier.preprocess import prepare

SIZE = 224
ASKED = 24  # mirrored pictures of a label, at the most


@dataclass(frozen=True, eq=False)
class Embedded:
    """What `decide_mirroring` takes."""

    embeddings: NDArray[np.float32]
    mirrored: NDArray[np.float32]
    label_indices: NDArray[np.int64]
    bursts: NDArray[np.int64]
    labels: tuple[str, ...]

    def decide(self) -> MirrorDecision:
        return decide_mirroring(
            self.embeddings, self.mirrored, self.label_indices, self.bursts, self.labels
        )

    def only(self, chosen: NDArray[np.int64]) -> Embedded:
        return Embedded(
            self.embeddings[chosen],
            self.mirrored[chosen],
            self.label_indices[chosen],
            self.bursts[chosen],
            self.labels,
        )


@pytest.fixture(scope="module")
def network(squeezenet_weights: Path) -> FeatureExtractor:
    graph = frozen_features("squeezenet1_1", str(squeezenet_weights), SIZE).graph
    return FeatureExtractor(with_normalised_embedding(graph))


def mirror(image: BgrImage) -> BgrImage:
    return np.ascontiguousarray(image[:, ::-1])


def embed(
    network: FeatureExtractor,
    pictures: Sequence[Sequence[BgrImage]],
    labels: Sequence[str],
    bursts: Sequence[NDArray[np.int64]] | None = None,
) -> Embedded:
    """Embed the pictures of each label, and the first of them mirrored.

    Args:
        network: Up to the unit embedding.
        pictures: Of each label.
        labels: Their names.
        bursts: Of each label's pictures; None makes each picture its own recording.
    """
    images = [image for group in pictures for image in group]
    numbers = [np.arange(len(group)) for group in pictures] if bursts is None else bursts
    firsts = np.cumsum([0] + [int(own.max()) + 1 for own in numbers[:-1]])
    is_asked = np.concatenate([np.arange(len(group)) < ASKED for group in pictures])
    embeddings = network.embed(prepare(image, SIZE) for image in images)
    mirrored = np.full_like(embeddings, np.nan)
    mirrored[is_asked] = network.embed(
        prepare(mirror(image), SIZE)
        for image, chosen in zip(images, is_asked, strict=True)
        if chosen
    )
    return Embedded(
        embeddings,
        mirrored,
        np.repeat(np.arange(len(pictures)), [len(group) for group in pictures]),
        np.concatenate([own + first for own, first in zip(numbers, firsts, strict=True)]),
        tuple(labels),
    )


def read(folder: Path, count: int) -> list[BgrImage]:
    """Read pictures from a folder, evenly over all of it."""
    files = sorted(folder.iterdir())
    chosen = [files[place] for place in np.linspace(0, len(files) - 1, count, dtype=int).tolist()]
    return [np.asarray(cv2.imread(str(file)), dtype=np.uint8) for file in chosen]


def embed_drawn(network: FeatureExtractor, shapes: Sequence[str], count: int) -> Embedded:
    generator = np.random.default_rng(0)
    pictures = [[draw(shape, generator) for _ in range(count)] for shape in shapes]
    # The names say nothing about a side, and nothing may hang on them.
    return embed(network, pictures, [f"shape {number}" for number in range(len(shapes))])


@pytest.mark.parametrize(
    ("folder", "count"),
    [
        ("masks", 24),
        ("flowers/train", 24),
        ("thumbs/person_1", 30),
        ("thumbs/person_2", 30),
        ("rock_paper_scissors/person_1", 30),
        ("rock_paper_scissors/person_2", 30),
        ("sign_digits", 24),
    ],
)
def test_real_pictures_that_keep_their_label_in_a_mirror_may_be_mirrored(
    network: FeatureExtractor, shared_data: Path, folder: str, count: int
) -> None:
    places = sorted((shared_data / folder).glob("[!.]*"))  # a cache of embeddings may be there
    pictures = [read(place, count) for place in places]
    decision = embed(network, pictures, [place.name for place in places]).decide()
    assert decision == MirrorDecision(True, (), ASKED * len(places))
    assert decision.describe() == (
        "Mirrored views are used: no label looks like another one in a mirror "
        f"({ASKED * len(places)} mirrored pictures classified)."
    )


@pytest.mark.slow
@pytest.mark.parametrize("shapes", [list("AHMO"), list("FGRS")], ids=["symmetric", "not symmetric"])
def test_letters_that_are_no_others_in_a_mirror_may_be_mirrored(
    network: FeatureExtractor, shapes: list[str]
) -> None:
    assert embed_drawn(network, shapes, 15).decide() == MirrorDecision(True, (), 60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shapes", "pairs"),
    [
        (["arrow left", "arrow right"], [(0, 1)]),
        (["arrow left", "circle", "arrow right"], [(0, 2)]),
        (["b", "d"], [(0, 1)]),
        (["p", "q"], [(0, 1)]),
        (["b", "p", "d", "q", "H"], [(0, 2), (1, 3)]),
    ],
)
def test_drawn_mirror_images_are_found_whatever_their_names(
    network: FeatureExtractor, shapes: list[str], pairs: list[tuple[int, int]]
) -> None:
    decision = embed_drawn(network, shapes, 20).decide()
    expected = tuple((f"shape {one}", f"shape {other}") for one, other in pairs)
    assert decision == MirrorDecision(False, expected, 20 * len(shapes))
    assert f"in a mirror {expected[0][0]} and {expected[0][1]}" in decision.describe()


@pytest.mark.parametrize("person", ["person_1", "person_2"])
def test_real_thumbs_that_point_to_either_side_are_found(
    network: FeatureExtractor, shared_data: Path, person: str
) -> None:
    up = read(shared_data / "thumbs" / person / "thumbs_up", 60)
    aside = [
        np.asarray(cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE), np.uint8) for image in up
    ]
    left, right = aside[:30], [mirror(image) for image in aside[30:]]  # of no common recording
    none = read(shared_data / "thumbs" / person / "none", 30)
    found = embed(network, [left, none, right], ["lewo", "nic", "prawo"])
    assert found.decide().pairs == (("lewo", "prawo"),)


@pytest.mark.slow
def test_one_label_of_everything_else_takes_in_the_mirror_images_of_another(
    network: FeatureExtractor,
) -> None:
    generator = np.random.default_rng(0)
    others = ("circle", "arrow right", "k")
    pictures = [
        [draw("arrow left", generator) for _ in range(40)],
        [draw(others[number % 3], generator) for number in range(40)],
    ]
    assert embed(network, pictures, ["left", "other"]).decide().pairs == (("left", "other"),)


def test_a_handful_of_pictures_is_enough_for_mirror_images(
    network: FeatureExtractor, shared_data: Path
) -> None:
    found = embed_drawn(network, ["b", "d", "p", "q"], 20)
    places = [shared_data / "thumbs/person_1" / label for label in ("none", "thumbs_up")]
    safe = embed(network, [read(place, 20) for place in places], ["none", "thumbs_up"])
    missed = mistaken = 0
    for first in range(0, 20, 5):
        few = np.arange(first, first + 5)
        handful = found.only(np.concatenate([few + 20 * label for label in range(4)]))
        missed += handful.decide().mirrored
        mistaken += not safe.only(np.concatenate([few, few + 20])).decide().mirrored
    assert missed <= 1
    assert mistaken <= 1


def test_single_recordings_are_asked_about_as_well(network: FeatureExtractor) -> None:
    found = embed_drawn(network, ["arrow left", "arrow right"], 20)
    alone = dataclasses.replace(found, bursts=found.label_indices)
    assert alone.decide().pairs == (("shape 0", "shape 1"),)


@pytest.mark.slow
def test_the_order_of_pictures_and_the_numbers_of_recordings_do_not_matter(
    network: FeatureExtractor,
) -> None:
    found = embed_drawn(network, ["arrow left", "circle", "arrow right"], 9)
    found = dataclasses.replace(found, bursts=found.bursts // 2 + 100 * found.label_indices)
    for seed in range(5):
        generator = np.random.default_rng(seed)
        shuffled = found.only(generator.permutation(27))
        numbers = generator.permutation(1000)
        shuffled = dataclasses.replace(shuffled, bursts=numbers[shuffled.bursts])
        assert shuffled.decide() == found.decide()


def test_where_nothing_can_be_asked_views_are_mirrored(network: FeatureExtractor) -> None:
    found = embed_drawn(network, ["arrow left", "arrow right"], 3)
    single = found.only(np.array([0, 3, 4]))
    assert single.decide() == MirrorDecision(True, (), 0)
    assert "too few pictures" in single.decide().describe()
    unasked = dataclasses.replace(found, mirrored=np.full_like(found.mirrored, np.nan))
    assert unasked.decide() == MirrorDecision(True, (), 0)


def test_of_many_pairs_a_few_are_named() -> None:
    pairs = tuple((f"l{number}", f"r{number}") for number in range(5))
    said = MirrorDecision(False, pairs, 240).describe()
    assert "l0 and r0, l1 and r1, l2 and r2 and 2 more pairs look like each other" in said
