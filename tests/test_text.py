from __future__ import annotations

import numpy as np
import pytest

from webcam_classifier.display.text import _draw_by_opencv, _draw_by_pillow, draw_text, text_size
from webcam_classifier.frame import BgrImage

WHITE = (255, 255, 255)


def canvas(brightness: int = 0) -> BgrImage:
    return np.full((60, 400, 3), brightness, np.uint8)


def drawn(text: str, *, bold: bool = False) -> BgrImage:
    image = canvas()
    draw_text(image, text, (5, 5), 24, WHITE, bold=bold)
    return image


@pytest.mark.parametrize(
    "text", ["cup", "größe", "Привет", "καλημέρα", "こんにちは", "你好", "안녕"]
)
def test_text_in_many_scripts_is_drawn_inside_its_box(text: str) -> None:
    width, height = text_size(text, 24)
    image = drawn(text)
    assert image[5 : 5 + height, 5 : 5 + width].max() > 200
    image[5 : 5 + height, 5 : 5 + width] = 0
    assert image.max() == 0


def test_letters_differ_from_one_another_and_from_the_sign_for_none() -> None:
    pictures = {drawn(letter).tobytes() for letter in "aäжλ你に한?"}
    assert len(pictures) == 8


def test_bold_is_heavier() -> None:
    assert drawn("cup", bold=True).sum() > 1.1 * drawn("cup").sum()


def test_the_edge_is_anti_aliased_and_the_rest_stays() -> None:
    image = canvas(40)
    draw_text(image, "o", (5, 5), 24, (0, 0, 255))
    red = np.unique(image[:, :, 2])
    assert len(red) > 10
    assert image[:, :, 2].max() == 255
    assert image[:, :, 0].min() <= 1
    assert (image[:, 100:] == 40).all()


def test_lines_of_one_size_are_equally_high() -> None:
    assert {text_size(text, 20)[1] for text in ("", "x", "Äg", "你")} == {26}
    assert text_size("wide", 20)[0] > text_size("i", 20)[0]


@pytest.mark.parametrize("corner", [(-10, -5), (390, 50), (-500, 0), (500, 0), (0, -90), (0, 90)])
def test_text_over_the_edge_is_cut_off(corner: tuple[int, int]) -> None:
    draw_text(canvas(), "over the edge", corner, 24, WHITE)


def test_control_characters_are_spaces() -> None:
    assert (drawn("a\n\0b") == drawn("a  b")).all()


def test_a_repeated_string_is_drawn_the_same() -> None:
    assert (drawn("once more") == drawn("once more")).all()


@pytest.mark.parametrize("bold", [False, True])
def test_an_old_opencv_draws_much_the_same_with_pillow(bold: bool) -> None:
    new, old = _draw_by_opencv("cup 12", 24, bold), _draw_by_pillow("cup 12", 24, bold)
    assert old.shape[0] == new.shape[0]
    assert 0.7 < old.shape[1] / new.shape[1] < 1.4
    rows = [np.flatnonzero(mask.max(axis=1) > 128) for mask in (new, old)]
    assert abs(int(rows[0][-1]) - int(rows[1][-1])) <= 2
