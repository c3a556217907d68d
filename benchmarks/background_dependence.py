"""Whether a training reports dependence on the background, where that is known.

    $ python -m benchmarks.background_dependence --data ../shared/data --weights FILE

Hands of one person (rock, paper, scissors) are cut out, by the pictures of the wall alone, and put
before photographs of flowers and of faces, as bursts in which the hand moves as it was recorded.
Either each label has a room of its own, or all labels have the same ones. Then the original data
sets are tested.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.backbone.load import DEFAULT_BACKBONE, Backbone, load_backbone
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.dataset.listing import list_pictures
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.evaluation.background_dependence import BackgroundCheck
from webcam_classifier.finetune.foreground import find_foregrounds
from webcam_classifier.frame import BgrImage
from webcam_classifier.head.embedded_dataset import embed_labelled_pictures
from webcam_classifier.head.learner import cross_validate_pictures
from webcam_classifier.training.left_out_background import check_left_out

LABELS = ("paper", "rock", "scissors")
HANDS = "rock_paper_scissors/person_1"
ROOMS = ("flowers/train", "masks")
DATA_SETS = (
    "rock_paper_scissors/person_1",
    "rock_paper_scissors/person_2",
    "thumbs/person_1",
    "thumbs/person_2",
    "sign_digits",
    "masks",
    "flowers/train",
)

_SIZE = 224  # pixels
_SCENE = (360, 480)  # height, width
_STEP = 2  # of the hand's recording, between pictures of a burst
_NOISE = 3.0  # brightness levels, of a camera
_FLICKER = 0.01  # of the brightness, from picture to picture
_SHAKEN = 0.01  # of the width, from burst to burst


@dataclass(frozen=True, eq=False)
class CutOut:
    """A hand without its wall: (height, width, 3) uint8, and (height, width) float32 0 to 1."""

    image: BgrImage
    share: NDArray[np.float32]


def cut_out_hands(data: Path) -> dict[str, list[CutOut]]:
    """Cut the hands of each label out, in the order of their recording."""
    labels = ("none", *LABELS)
    images, places = [], []
    for place, label in enumerate(labels):
        paths, _ = list_pictures(data / HANDS / label)
        for path in paths[::_STEP]:
            images.append(read_picture(path))
            places.append(place)
    found: dict[str, list[CutOut]] = {label: [] for label in LABELS}
    for image, place, mask in zip(
        images, places, find_foregrounds(images, np.array(places), (0,)), strict=True
    ):
        if mask is not None and labels[place] in found:
            share = cv2.resize(mask.astype(np.float32) / 255.0, image.shape[1::-1])
            found[labels[place]].append(CutOut(image, np.asarray(share, dtype=np.float32)))
    return found


def burst(
    hands: Sequence[CutOut], room: BgrImage, first: int, count: int, generator: np.random.Generator
) -> Iterator[BgrImage]:
    """Put a hand that moves before a room, (360, 480, 3) uint8 each.

    Args:
        hands: Of one label, in the order of their recording.
        room: Any picture.
        first: Which of the hands the burst begins with; after the last one comes the first.
        count: How many pictures.
        generator: Chooses size and place of the hand, how the camera stands, and the noise.
    """
    height, width = _SCENE
    resized = cv2.resize(room, (width, height)).astype(np.float32)
    moved = np.array([[1.0, 0.0, generator.normal(0.0, _SHAKEN) * width], [0.0, 1.0, 0.0]])
    still = cv2.warpAffine(resized, moved, (width, height), borderMode=cv2.BORDER_REFLECT)
    share = generator.uniform(0.6, 0.85)
    left = generator.uniform(0.0, (1.0 - share) * width)
    for number in range(count):
        hand = hands[(first + number) % len(hands)]
        scale = share * height / hand.image.shape[0]
        matrix = np.array([[scale, 0.0, left], [0.0, scale, (1.0 - share) * height]])
        front = cv2.warpAffine(hand.image.astype(np.float32), matrix, (width, height))
        covered = cv2.warpAffine(hand.share, matrix, (width, height))[..., np.newaxis]
        scene = (still * (1.0 - covered) + front * covered) * generator.normal(1.0, _FLICKER)
        scene += generator.normal(0.0, _NOISE, scene.shape)
        yield np.clip(scene, 0, 255).astype(np.uint8)


def write_bursts(
    folder: Path,
    hands: Mapping[str, Sequence[CutOut]],
    rooms: Sequence[Sequence[BgrImage]],
    generator: np.random.Generator,
    count: int = 14,
) -> None:
    """Write a data set, named as `collect.py` names pictures.

    Args:
        folder: Where it goes.
        hands: From `cut_out_hands`.
        rooms: For each burst, the room of each label in the order of `LABELS`.
        generator: See `burst`.
        count: Pictures of a burst.
    """
    number = 0
    for round_number, of_labels in enumerate(rooms):
        for label, room in zip(LABELS, of_labels, strict=True):
            number += 1
            (folder / label).mkdir(parents=True, exist_ok=True)
            own = hands[label]
            pictures = burst(own, room, round_number * count, count, generator)
            for index, picture in enumerate(pictures, 1):
                name = f"20261122T143015x7f3a9c-{number:03d}-{index:04d}.jpg"
                cv2.imwrite(str(folder / label / name), picture)


def rooms_of(folder: Path, count: int, generator: np.random.Generator) -> list[BgrImage]:
    """Choose some photographs."""
    paths, _ = list_pictures(folder)
    return [read_picture(paths[place]) for place in generator.choice(len(paths), count, False)]


def check_folder(folder: Path, backbone: Backbone) -> BackgroundCheck | None:
    """Test what a training on a folder would report."""
    pictures = load_labelled_pictures(folder, _SIZE)
    embedded = embed_labelled_pictures(pictures, backbone)
    calibration = cross_validate_pictures(embedded.pictures, embedded.views_each, embedded.views)
    if calibration is None:
        raise ValueError("two labels are needed")
    return check_left_out(pictures, calibration, backbone)


def describe(check: BackgroundCheck | None) -> str:
    """List the labels with the pictures that keep them, and of others that get them."""
    if check is None:
        return "can't be tested"
    rows = [f"{one.label} {one.kept}/{one.count} ({one.others})" for one in check.labels]
    found = ", ".join(one.label for one in check.dependent)
    return f"{'; '.join(rows)}: {f'depends for {found}' if found else 'nothing reported'}"


def main() -> None:
    """Make bursts, test, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    backbone = load_backbone(DEFAULT_BACKBONE, options.weights, _SIZE)
    hands = cut_out_hands(options.data)
    for kind in ROOMS:
        for seed in range(options.seeds):
            generator = np.random.default_rng(seed)
            rooms = rooms_of(options.data / kind, 4, generator)
            layouts = {
                "a room for each label": [rooms[:3]] * 2,
                "one room, one burst": [[rooms[0]] * 3],
                "one room, two bursts": [[rooms[0]] * 3] * 2,
                "four rooms, all labels in each": [[room] * 3 for room in rooms],
            }
            for name, layout in layouts.items():
                with tempfile.TemporaryDirectory() as folder:
                    write_bursts(Path(folder), hands, layout, generator)
                    found = describe(check_folder(Path(folder), backbone))
                print(f"{name}, {kind}, seed {seed}: {found}", flush=True)
    for name in DATA_SETS:
        print(f"{name}: {describe(check_folder(options.data / name, backbone))}", flush=True)


if __name__ == "__main__":
    main()
