from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from webcam_classifier.camera.scene import (
    FRAMES_PER_POSE,
    FRAMES_PER_SCENE,
    LABELS,
    POSES,
    draw_scene,
    pose_at,
)
from webcam_classifier.camera.scene_hand import CENTRE, SKIN_TONES, UNIT, draw_hand
from webcam_classifier.frame import BgrImage

SMALL = (160, 120)


def difference(first: BgrImage, second: BgrImage) -> float:
    """Tell how far two pictures are apart, noise averaged out."""
    return float(np.abs(cv2.blur(first, (5, 5)).astype(int) - cv2.blur(second, (5, 5))).mean())


@pytest.mark.parametrize("pose", POSES)
def test_the_same_seed_and_index_draw_the_same_picture(pose: str) -> None:
    first = draw_scene(pose, 5, 40, *SMALL)
    draw_scene("all", 6, 400, *SMALL)  # another scene in between, which may fill the caches
    draw_scene("all", 6, 800, *SMALL)
    np.testing.assert_array_equal(draw_scene(pose, 5, 40, *SMALL), first)
    assert first.shape == (120, 160, 3)
    assert first.dtype == np.uint8


def test_a_drawn_picture_may_be_changed_without_changing_later_ones() -> None:
    first = draw_scene("background", 5, 40, *SMALL)
    before = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(draw_scene("background", 5, 40, *SMALL), before)


def test_the_hand_is_what_differs_between_poses() -> None:
    empty, up, down = (draw_scene(pose, 5, 40, *SMALL) for pose in ("background", *LABELS[:2]))
    for shown in (up, down):
        share = float((np.abs(shown.astype(int) - empty).max(axis=2) > 12).mean())
        assert 0.08 < share < 0.6
    assert difference(up, down) > 2


@pytest.mark.parametrize("thumb_is_up", [True, False])
def test_the_thumb_is_above_the_fist_or_below_it(thumb_is_up: bool) -> None:
    sprite = draw_hand(thumb_is_up, SKIN_TONES[2], (90, 60, 40))
    x, y = CENTRE
    column = sprite.see_through[:, x - UNIT // 4 : x + UNIT // 4, 0]
    rows = np.nonzero((column < 30).any(axis=1))[0]  # the hand itself, without its shadow
    above, below = y - rows.min(), rows.max() - y
    longer, shorter = (above, below) if thumb_is_up else (below, above)
    assert longer > 1.05 * UNIT
    assert 0.4 * UNIT < shorter < 0.75 * UNIT


def test_the_hand_moves_smoothly_from_frame_to_frame() -> None:
    frames = [draw_scene("thumbs_up", 2, index, *SMALL) for index in range(30)]
    steps = [difference(*pair) for pair in pairwise(frames)]
    assert min(steps) > 0.05
    assert max(steps) < difference(frames[0], frames[-1]) + 4
    assert max(steps) < 5


def test_scenes_change_with_the_time_and_with_the_seed() -> None:
    first = draw_scene("background", 1, FRAMES_PER_SCENE - 1, *SMALL)
    assert difference(first, draw_scene("background", 1, FRAMES_PER_SCENE, *SMALL)) > 8
    assert difference(first, draw_scene("background", 2, FRAMES_PER_SCENE - 1, *SMALL)) > 8


def test_all_poses_take_turns_in_an_order_that_the_seed_decides() -> None:
    orders = set()
    for seed in range(6):
        shown = [pose_at("all", seed, FRAMES_PER_POSE * turn) for turn in range(30)]
        assert all(first != second for first, second in pairwise(shown))
        assert [shown.count(label) for label in LABELS] == [10, 10, 10]
        orders.add(tuple(shown))
        assert pose_at("all", seed, FRAMES_PER_POSE - 1) == shown[0]
    assert len(orders) > 3


def test_the_picture_of_all_poses_is_the_picture_of_the_pose_it_names() -> None:
    for index in range(0, 400, 57):
        named = draw_scene(pose_at("all", 3, index), 3, index, *SMALL)
        np.testing.assert_array_equal(draw_scene("all", 3, index, *SMALL), named)


@pytest.mark.parametrize("size", [(16, 16), (320, 180), (480, 640), (641, 479)])
def test_any_size_can_be_drawn(size: tuple[int, int]) -> None:
    for pose in LABELS:
        assert draw_scene(pose, 0, 3, *size).shape == (size[1], size[0], 3)


def test_an_unknown_pose_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no pose 'wave'"):
        draw_scene("wave", 0, 0)
