"""The simulated camera's picture: a hand with its thumb up or down, or nobody, in a drawn room.

Everything follows from the seed and the frame's index, so a run can be repeated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.camera.scene_hand import CENTRE, SKIN_TONES, UNIT, Sprite, draw_hand
from webcam_classifier.camera.scene_room import draw_room
from webcam_classifier.frame import BgrImage

LABELS = ("thumbs_up", "thumbs_down", "background")
POSES = (*LABELS, "all")

FRAMES_PER_SCENE = 120  # four seconds at 30 frames a second: then another room, hand and light
FRAMES_PER_POSE = 60  # where all are shown in turn
_SWAY = 0.02  # of the height; how far the camera itself moves
_NOISES = 97  # different places in the noise; a prime, so that it does not repeat with a scene


@dataclass(frozen=True, eq=False)
class _Scene:
    """What stays the same for a few seconds.

    Attributes:
        room: A little larger than the picture, lit.
        light: Factors for blue, green and red.
        skin: Blue, green, red.
        sleeve: Blue, green, red.
        from_left: Whether the arm comes in from the left.
        unit: How wide the fist is, in heights of the picture.
        place: Where the fist is in the picture, x and y, 0 to 1.
        tilt: Degrees.
        phases: Of the movements, radians.
        speeds: Of the movements, radians a frame.
    """

    room: BgrImage
    light: NDArray[np.float64]
    skin: tuple[float, float, float]
    sleeve: tuple[float, float, float]
    from_left: bool
    unit: float
    place: tuple[float, float]
    tilt: float
    phases: NDArray[np.float64]
    speeds: NDArray[np.float64]


def draw_scene(pose: str, seed: int, index: int, width: int = 640, height: int = 480) -> BgrImage:
    """Draw one frame.

    Args:
        pose: One of `POSES`; 'all' shows the labels in turn.
        seed: 0 or more; decides rooms, hands, light and movements.
        index: Of the frame, from 0; neighbours differ by a small movement.
        width: Pixels.
        height: Pixels.

    Returns:
        (height, width, 3), a new array.

    Raises:
        ValueError: There is no such pose.
    """
    label = pose_at(pose, seed, index)
    number = index // FRAMES_PER_SCENE
    scene = _plan_scene(seed, number, width, height)
    movements = np.sin(scene.phases + scene.speeds * (index % FRAMES_PER_SCENE))
    image = _crop_room(scene.room, movements[:2], width, height)
    if label != "background":
        sprite = _draw_sprite(seed, number, label == "thumbs_up", width, height)
        _lay_over(image, sprite, _place_hand(scene, movements, width, height))
    _add_noise(image, index)
    return image


def pose_at(pose: str, seed: int, index: int) -> str:
    """Tell which label the frame shows that `draw_scene` draws: one of `LABELS`.

    Raises:
        ValueError: There is no such pose.
    """
    if pose not in POSES:
        raise ValueError(f"there is no pose {pose!r}; there are {', '.join(POSES)}")
    if pose != "all":
        return pose
    turn, position = divmod(index // FRAMES_PER_POSE, len(LABELS))
    return LABELS[_order(seed, turn)[position]]


@lru_cache(maxsize=64)
def _order(seed: int, turn: int) -> tuple[int, ...]:
    order = [int(number) for number in np.random.default_rng((seed, 1, turn)).permutation(3)]
    last_before = np.random.default_rng((seed, 1, turn - 1)).permutation(3)[-1] if turn else -1
    if order[0] == last_before:  # each change of pose is one; the last of the three stays last
        order[0], order[1] = order[1], order[0]
    return tuple(order)


@lru_cache(maxsize=2)
def _plan_scene(seed: int, number: int, width: int, height: int) -> _Scene:
    random = np.random.default_rng((seed, 2, number))
    warmth = random.uniform(-0.16, 0.16)
    light = random.uniform(0.62, 1.12) * np.array([1 - warmth, 1.0, 1 + warmth])
    margin = 2 * _sway_pixels(height)
    # A generator of its own: the hand is the same at every size of the picture.
    room = draw_room(np.random.default_rng((seed, 3, number)), width + margin, height + margin)
    return _Scene(
        room=_lit(room, light),
        light=light,
        skin=SKIN_TONES[random.integers(len(SKIN_TONES))],
        sleeve=(random.uniform(35, 190), random.uniform(35, 190), random.uniform(35, 190)),
        from_left=bool(random.random() < 0.5),
        unit=random.uniform(0.22, 0.36),
        place=(random.uniform(0.36, 0.64), random.uniform(0.44, 0.62)),
        tilt=random.uniform(-18, 18),
        phases=random.uniform(0, 2 * np.pi, 6),
        speeds=random.uniform(0.03, 0.09, 6),
    )


@lru_cache(maxsize=4)
def _draw_sprite(seed: int, number: int, thumb_is_up: bool, width: int, height: int) -> Sprite:
    scene = _plan_scene(seed, number, width, height)
    sprite = draw_hand(thumb_is_up, scene.skin, scene.sleeve)
    return Sprite(_lit(sprite.colours, scene.light), sprite.see_through)


def _sway_pixels(height: int) -> int:
    return max(1, round(_SWAY * height))


def _lit(image: BgrImage, light: NDArray[np.float64]) -> BgrImage:
    return np.clip(image * light, 0, 255).astype(np.uint8)


def _crop_room(room: BgrImage, movements: NDArray[np.float64], width: int, height: int) -> BgrImage:
    reach = _sway_pixels(height)
    centre = (
        reach + (width - 1) / 2 + 0.9 * reach * float(movements[0]),
        reach + (height - 1) / 2 + 0.9 * reach * float(movements[1]),
    )
    return np.asarray(cv2.getRectSubPix(room, (width, height), centre), np.uint8)


def _place_hand(
    scene: _Scene, movements: NDArray[np.float64], width: int, height: int
) -> NDArray[np.float64]:
    """Work out the (2, 3) matrix from the sprite's pixels to the picture's."""
    x = (scene.place[0] + 0.04 * movements[2]) * width
    y = (scene.place[1] + 0.04 * movements[3]) * height
    scale = scene.unit * height / UNIT * (1 + 0.06 * movements[4])
    angle = np.deg2rad(scene.tilt + 7 * movements[5])
    mirror = -1.0 if scene.from_left else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = scale * turn @ np.diag([mirror, 1.0])
    shift = np.array([x, y]) - matrix @ np.array(CENTRE)
    return np.column_stack([matrix, shift])


def _lay_over(image: BgrImage, sprite: Sprite, matrix: NDArray[np.float64]) -> None:
    height, width = image.shape[:2]
    rows, columns = sprite.colours.shape[:2]
    corners = np.array([[0, 0, 1], [columns, 0, 1], [0, rows, 1], [columns, rows, 1]])
    reached = corners @ matrix.T
    left, top = np.floor(reached.min(axis=0)).astype(int).clip(0)
    right, bottom = np.ceil(reached.max(axis=0)).astype(int).clip(0, (width, height))
    if right <= left or bottom <= top:
        return
    to_part = matrix - np.array([[0, 0, left], [0, 0, top]])
    size = (int(right - left), int(bottom - top))
    colours = cv2.warpAffine(sprite.colours, to_part, size)
    see_through = cv2.warpAffine(
        sprite.see_through, to_part, size, borderValue=(255, 255, 255, 255)
    )
    part = image[top:bottom, left:right]
    part[:] = cv2.add(cv2.multiply(part, see_through, scale=1 / 255), colours)


def _add_noise(image: BgrImage, index: int) -> None:
    height, width = image.shape[:2]
    brighter, darker = _noise(width, height)
    first = index % _NOISES
    rows, columns = slice(first, first + height), slice(2 * first, 2 * first + width)
    cv2.add(image, brighter[rows, columns], image)
    cv2.subtract(image, darker[rows, columns], image)


@lru_cache(maxsize=1)
def _noise(width: int, height: int) -> tuple[BgrImage, BgrImage]:
    shape = (height + _NOISES, width + 2 * _NOISES, 3)
    noise = 2.2 * np.random.default_rng(3).standard_normal(shape, np.float32)
    brighter, darker = np.clip(np.rint(noise), 0, 255), np.clip(np.rint(-noise), 0, 255)
    return brighter.astype(np.uint8), darker.astype(np.uint8)
