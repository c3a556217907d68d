from __future__ import annotations

import numpy as np
import pytest

from webcam_classifier.display.shapes import PALE
from webcam_classifier.display.text import text_size
from webcam_classifier.frame import BgrImage
from webcam_classifier.prediction import Prediction
from webcam_classifier.ui.overlay import draw_prediction, fit_text, judge

SIZES = [(320, 240), (640, 480), (1280, 720), (1920, 1080)]
LABELS = ("thumbs_up", "thumbs_down", "größe zwölf mit einem sehr langen Namen")


def prediction(*probabilities: float) -> Prediction:
    return Prediction(LABELS, np.array(probabilities, np.float32))


def picture(width: int, height: int, level: int) -> BgrImage:
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_given_picture_stays_as_it_was_and_the_size_too(width: int, height: int) -> None:
    image = picture(width, height, 200)
    drawn = draw_prediction(image, prediction(0.9, 0.1, 0), status="30 frames/s", notice="saved")
    assert drawn.shape == image.shape
    assert np.all(image == 200)
    assert np.any(drawn != 200)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_most_of_the_picture_stays_in_sight(width: int, height: int) -> None:
    image = picture(width, height, 200)
    drawn = draw_prediction(
        image, prediction(0.9, 0.1, 0), status="30 frames/s", help_line="q quit"
    )
    untouched = np.all(drawn == image, axis=2).mean()
    assert untouched > 0.55


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_label_stands_out_from_its_band_on_any_background(
    width: int, height: int, level: int
) -> None:
    drawn = draw_prediction(picture(width, height, level), prediction(0.9, 0.1, 0))
    grey = drawn[int(0.75 * height) :, : width // 2].mean(axis=2)
    text, band = relative_luminance(float(grey.max())), relative_luminance(float(np.median(grey)))
    assert (text + 0.05) / (band + 0.05) > 7  # the contrast that WCAG's level AAA asks for


def relative_luminance(grey: float) -> float:
    return float((grey / 255) ** 2.2)  # near enough to sRGB's


def test_sure_and_unsure_look_different() -> None:
    sure = draw_prediction(picture(640, 480, 90), prediction(0.9, 0.1, 0))
    unsure = draw_prediction(picture(640, 480, 90), prediction(0.5, 0.4, 0.1))
    edge = (470, 1)
    assert sure[edge][1] > sure[edge][2]  # green
    assert unsure[edge][2] > unsure[edge][1]  # amber


def test_a_longer_bar_is_a_higher_probability() -> None:
    def green_pixels(probability: float) -> int:
        drawn = draw_prediction(picture(640, 480, 0), prediction(probability, 1 - probability, 0))
        colour = np.array((120, 222, 118))
        return int(np.all(drawn[:, 340:] == colour, axis=2).sum())

    assert green_pixels(0.99) > 1.3 * green_pixels(0.72) > 0


def test_more_bars_for_a_higher_top() -> None:
    one = draw_prediction(picture(640, 480, 0), prediction(0.5, 0.3, 0.2), top=1)
    three = draw_prediction(picture(640, 480, 0), prediction(0.5, 0.3, 0.2), top=3)
    assert np.count_nonzero(three) > np.count_nonzero(one)


@pytest.mark.parametrize("size", [(1, 1), (8, 6), (32, 24), (2000, 60), (60, 2000)])
def test_any_size_can_be_drawn_on(size: tuple[int, int]) -> None:
    image = picture(*size, 100)
    drawn = draw_prediction(
        image, prediction(0.4, 0.3, 0.3), top=99, status="status", help_line="help", notice="notice"
    )
    assert drawn.shape == image.shape


def test_a_line_that_fits_is_left_as_it_is() -> None:
    assert fit_text("thumbs_up", 20, True, 1000, 10) == ("thumbs_up", 20)


def test_a_long_line_gets_smaller_before_it_loses_its_middle() -> None:
    whole = text_size("thumbs_down", 20)[0]
    assert fit_text("thumbs_down", 20, False, whole - 10, 11)[0] == "thumbs_down"
    line, size = fit_text("thumbs_down", 20, False, whole // 2, 20)
    assert size == 20
    assert line.startswith("th")
    assert line.endswith("n")
    assert "…" in line
    assert text_size(line, size)[0] <= whole // 2


def test_unknown_looks_like_neither_sure_nor_unsure() -> None:
    values = np.array([0.9, 0.1, 0], np.float32)
    images = [
        draw_prediction(picture(640, 480, 90), Prediction(LABELS, values * share, score, 1.0))
        for share, score in ((1.0, 2.0), (1.0, 0.0), (0.6, 0.0))
    ]
    edges = {tuple(image[470, 1].tolist()) for image in images}
    assert len(edges) == 3


def test_unknown_stands_large_and_its_guess_small_and_grey() -> None:
    unknown = Prediction(LABELS, np.array([0.9, 0.1, 0], np.float32), 2.0, 1.0)
    verdict = judge(unknown, "1")
    assert verdict.label == "unknown"
    assert verdict.words == "perhaps thumbs_up; hold 1 if so"
    assert verdict.words_colour == PALE
    assert judge(unknown).words == "perhaps thumbs_up"
    assert judge(prediction(0.9, 0.1, 0), "1").words == "sure, 90 %"

    def drawn(label: str, score: float) -> BgrImage:
        values = np.array([0.9, 0.1], np.float32)
        return draw_prediction(
            picture(640, 480, 90), Prediction((label, "b"), values, score, 1.0), top=1
        )

    one, other = drawn("rock", 2.0), drawn("tree", 2.0)
    changed = np.any(one != other, axis=2)
    top = np.flatnonzero(changed[:, :320].any(axis=1))  # the guess alone, below `unknown`
    assert 0 < len(top) < 24
    assert changed[:, 330:].any()
