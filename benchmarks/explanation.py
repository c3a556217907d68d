"""How often the map of where a model looked peaks on the hand, where that is known.

    $ python -m benchmarks.explanation --data ../shared/data --weights FILE

Photographs of hands are pasted into photographs of flowers at a random place and size, and a head
is taught with them. Other hands are asked about, pasted into photographs of faces: later ones of
the same person, and those of somebody else in another room. Where the answer is right, the peak of
the map should lie on the hand's photograph.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from webcam_classifier.cli import train
from webcam_classifier.dataset.listing import list_pictures
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.evaluation.intervals import wilson_interval
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.activation_map import ActivationMap
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.preprocess import prepare

LABELS = ("paper", "rock", "scissors")
TAUGHT, ASKED = "rock_paper_scissors/person_1", "rock_paper_scissors/person_2"
ROOMS_TAUGHT, ROOMS_ASKED = "flowers/train", "masks"
SCENE = (480, 640)  # height, width
SIDES = (0.35, 0.6)  # of the hand's photograph, of the scene's height

Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels


def paste(hand: BgrImage, room: BgrImage, generator: np.random.Generator) -> tuple[BgrImage, Box]:
    """Paste a photograph into another one.

    Returns:
        The scene, (480, 640, 3) uint8, and where the hand's photograph is in it.
    """
    height, width = SCENE
    scene = np.asarray(cv2.resize(room, (width, height)), dtype=np.uint8)
    side = round(height * generator.uniform(*SIDES))
    left, top = generator.integers(0, width - side + 1), generator.integers(0, height - side + 1)
    scene[top : top + side, left : left + side] = cv2.resize(hand, (side, side))
    return scene, (int(left), int(top), int(left) + side, int(top) + side)


def scenes(
    hands: Sequence[tuple[str, Path]], rooms: Path, count: int, generator: np.random.Generator
) -> list[tuple[str, BgrImage, Box]]:
    """Make so many scenes of each label.

    Args:
        hands: Labels and photographs.
        rooms: A folder of other photographs.
        count: Of each label.
        generator: Chooses all of it.
    """
    room_paths, _ = list_pictures(rooms)
    made = []
    for label in LABELS:
        paths = [path for one, path in hands if one == label]
        for place in generator.choice(len(paths), count, replace=count > len(paths)).tolist():
            room = read_picture(room_paths[generator.integers(len(room_paths))])
            made.append((label, *paste(read_picture(paths[place]), room, generator)))
    return made


def hands_of(folder: Path, begin: float, end: float) -> list[tuple[str, Path]]:
    """The photographs of a person from one share of each label's time to another."""
    found = []
    for label in LABELS:
        paths, _ = list_pictures(folder / label)
        part = paths[round(begin * len(paths)) : round(end * len(paths))]
        found += [(label, path) for path in part]
    return found


@dataclass(frozen=True)
class PeakShare:
    """How often the map's peak is on the hand.

    Attributes:
        asked: Scenes.
        right: Of those, how many were answered rightly.
        on_hand: Of those, how many have their peak on the hand.
        by_chance: The share of the scenes that the hands take up.
    """

    asked: int
    right: int
    on_hand: int
    by_chance: float


def measure(model: Path, asked: Sequence[tuple[str, BgrImage, Box]]) -> PeakShare:
    """Ask a model about scenes, and where it looked.

    Args:
        model: The model file.
        asked: From `scenes`.
    """
    classifier, where = Classifier(model, unknown="off"), ActivationMap.of_file(model)
    height, width = SCENE
    right = on_hand = 0
    covered = 0.0
    for label, scene, (left, top, right_edge, bottom) in asked:
        covered += (right_edge - left) * (bottom - top) / (height * width)
        if classifier.classify(scene).label != label:
            continue
        right += 1
        place = classifier.card.labels.index(label)
        heat = where.heat(prepare(scene, classifier.card.input_size), place)
        row, column = np.unravel_index(int(heat.argmax()), heat.shape)
        y = (int(row) + 0.5) / heat.shape[0] * height
        x = (int(column) + 0.5) / heat.shape[1] * width
        on_hand += left <= x < right_edge and top <= y < bottom
    return PeakShare(len(asked), right, on_hand, covered / len(asked))


def teach(
    data: Path, weights: str, count: int, folder: Path, generator: np.random.Generator
) -> Path:
    """Teach a head with scenes of the first half of a person's photographs.

    Args:
        data: Where `TAUGHT` and `ROOMS_TAUGHT` are.
        weights: As for `train.py`.
        count: Scenes of each label.
        folder: Where scenes and model are written.
        generator: Chooses all of it.

    Returns:
        The model file.
    """
    hands = hands_of(data / TAUGHT, 0.0, 0.5)
    for number, (label, scene, _) in enumerate(
        scenes(hands, data / ROOMS_TAUGHT, count, generator)
    ):
        place = folder / "dataset" / label / f"{number:04}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), scene)
    command = [str(folder / "dataset"), "--mode", "head", "--weights", weights]
    train.main([*command, "--output", str(folder / "model")])
    return folder / "model" / "model.onnx"


def main() -> None:
    """Teach, ask, and print the share of peaks that lie on the hand."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--count", type=int, default=80, help="scenes of each label")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    data = options.data
    with tempfile.TemporaryDirectory() as name:
        model = teach(data, options.weights, options.count, Path(name), generator)
        for who, hands in (
            ("later photographs of the same person", hands_of(data / TAUGHT, 0.5, 1.0)),
            ("somebody else in another room", hands_of(data / ASKED, 0.0, 1.0)),
        ):
            found = measure(model, scenes(hands, data / ROOMS_ASKED, options.count, generator))
            low, high = wilson_interval(found.on_hand, found.right)
            print(
                f"{who}: right {found.right} of {found.asked}; of those the peak is on the hand in "
                f"{found.on_hand / found.right:.3f} ({low:.2f} to {high:.2f}), "
                f"by chance in {found.by_chance:.2f}"
            )


if __name__ == "__main__":
    main()
