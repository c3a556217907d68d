"""The one way from a picture to the graph's input."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare, shrink


def noise(height: int, width: int) -> BgrImage:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("height", "width"),
    [(480, 640), (720, 1280), (1, 1), (224, 224), (223, 999), (2000, 30), (100, 100), (449, 451)],
)
def test_any_size_becomes_the_square(height: int, width: int) -> None:
    prepared = prepare(noise(height, width), 224)
    assert prepared.shape == (224, 224, 3)
    assert prepared.dtype == np.uint8
    assert prepared.flags.c_contiguous


@pytest.mark.parametrize(("height", "width"), [(480, 640), (1081, 1921), (448, 448), (300, 5000)])
def test_a_shrunken_picture_is_prepared_like_the_whole_one(height: int, width: int) -> None:
    image = noise(height, width)
    np.testing.assert_array_equal(prepare(shrink(image, 160), 160), prepare(image, 160))


@pytest.mark.parametrize(("height", "width"), [(480, 640), (720, 1280), (1080, 1920)])
def test_no_pixel_is_skipped_on_the_way_down(height: int, width: int) -> None:
    # The oracle averages over areas in one step; skipping pixels of noise would be far from it.
    image = noise(height, width)
    exact = cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA).astype(float)
    skipping = cv2.resize(image, (224, 224), interpolation=cv2.INTER_NEAREST).astype(float)
    ours = prepare(image, 224).astype(float)
    assert np.abs(ours - exact).mean() < 0.35 * np.abs(skipping - exact).mean()


def test_pixels_are_the_same_to_the_last_bit_on_every_processor() -> None:
    # OpenCV's linear interpolation is another one on ARM, unless it is asked rightly. The hash was
    # the same on an x86 processor with AVX-512 and on an emulated Cortex-A76.
    sizes = (
        (480, 640), (240, 320), (304, 320), (251, 333), (447, 447), (225, 448), (300, 230),
        (720, 1280), (1080, 1920), (1920, 1081), (230, 1000), (449, 230), (100, 100), (2000, 30),
    )  # fmt: skip
    prepared = [prepare(noise(height, width), 224) for height, width in sizes]
    digest = hashlib.sha256(np.stack(prepared).tobytes()).hexdigest()
    assert digest == "3ae04ff112d24617901430cdc47fc367efaa3745bfce6de560b3a4a99b9eef59"


@pytest.mark.parametrize(("height", "width"), [(480, 640), (304, 320), (401, 333), (100, 100)])
def test_it_is_linear_interpolation(height: int, width: int) -> None:
    image = noise(height, width)
    small = shrink(image, 224)
    exact = cv2.resize(small, (224, 224), interpolation=cv2.INTER_LINEAR_EXACT).astype(int)
    assert np.abs(prepare(image, 224).astype(int) - exact).max() <= 1  # grey levels


def test_the_picture_itself_is_left_alone() -> None:
    image = noise(480, 640)
    before = image.copy()
    prepare(image, 224)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_what_is_no_bgr_picture_is_refused_with_its_shape(image: BgrImage) -> None:
    with pytest.raises(ValueError, match="must be"):
        prepare(image, 224)
