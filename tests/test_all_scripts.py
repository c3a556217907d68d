"""Scripts that OpenCV can't draw: run from right to left, joined, or in colours."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from webcam_classifier.display import all_scripts, system_fonts, text
from webcam_classifier.display.all_scripts import clusters
from webcam_classifier.display.bidi import visual_runs
from webcam_classifier.display.system_fonts import Face, can_shape, find_face, open_font
from webcam_classifier.display.text import draw_text, text_size

SIZE = 24


def face_for(letter: str, is_emoji: bool = False) -> Face:
    face = find_face(letter, bold=False, is_emoji=is_emoji)
    if face is None:
        pytest.skip(f"no font of this system has {letter} (fonts-noto-core, -color-emoji)")
    return face


def drawn(line: str, *, colour: tuple[int, int, int] = (255, 255, 255)) -> NDArray[np.uint8]:
    image = np.zeros((60, 500, 3), np.uint8)
    draw_text(image, line, (5, 5), SIZE, colour)
    return image


def by_raqm(line: str, face: Face) -> NDArray[np.uint8]:
    """The whole line, laid out by fribidi and HarfBuzz alone."""
    font = open_font(face, SIZE)
    assert font is not None
    canvas = Image.new("L", (500, 60))
    ImageDraw.Draw(canvas).text((5, 5 + SIZE), line, fill=255, font=font, anchor="ls")
    return np.array(canvas)


def likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The correlation of two pictures, 1 for the same, each cut to what is drawn."""
    parts = []
    for image in (one, other):
        columns = np.flatnonzero(image.max(axis=0))
        parts.append(image[:, columns[0] : columns[-1] + 1].astype(float))
    width = min(part.shape[1] for part in parts)
    assert abs(parts[0].shape[1] - parts[1].shape[1]) <= 3
    return float(np.corrcoef([part[:, :width].ravel() for part in parts])[0, 1])


@pytest.mark.skipif(not can_shape(), reason="this Pillow has no raqm")
@pytest.mark.parametrize("line", ["مرحبا", "שלום", "كوب قهوة", "नमस्ते", "สวัสดี", "বাংলা"])
def test_a_script_that_opencv_can_not_draw_is_drawn_as_raqm_draws_it(line: str) -> None:
    face = face_for(line[0])
    assert likeness(drawn(line)[:, :, 0], by_raqm(line, face)) > 0.95


@pytest.mark.skipif(not can_shape(), reason="this Pillow has no raqm")
@pytest.mark.parametrize(
    "line",
    [
        "כוס 12", "כוס abc", "abc כוס", "abc כוס 12 מים", "כוס (abc) מים", "12 כוס", "كوب 12",
        "كوب 1.5 abc", "abc كوب, def", "כוס 5% מים", "a-b כוס-מים", "كوب ١٢", "כוס!", "(כוס)",
        "3,5 abc כוס 1:30", "abc كوب-كوب 7",
    ],
)  # fmt: skip
def test_runs_stand_in_the_order_of_fribidi(line: str) -> None:
    face = face_for("כ" if any("\u0590" <= letter <= "\u05ff" for letter in line) else "ك")
    font = open_font(face, SIZE)
    assert font is not None
    canvas = Image.new("L", (500, 60))
    left = 5.0
    for run, right_to_left in visual_runs(line):
        direction = "rtl" if right_to_left else "ltr"
        place = (left, 5 + SIZE)
        ImageDraw.Draw(canvas).text(
            place, run, fill=255, font=font, anchor="ls", direction=direction
        )
        left += font.getlength(run, direction=direction)
    # A line of another order is about as unlike as two different words, below 0.5.
    assert likeness(np.array(canvas), by_raqm(line, face)) > 0.85


def test_runs_of_one_direction_are_whole() -> None:
    assert visual_runs("cup 12") == [("cup 12", False)]
    assert visual_runs("") == []
    assert visual_runs("abc שלום!") == [("abc ", False), ("שלום", True), ("!", False)]
    assert visual_runs("שלום abc") == [("abc", False), ("שלום ", True)]


def test_what_a_reader_takes_for_one_letter_stays_together() -> None:
    assert clusters("cup") == ["c", "u", "p"]
    assert clusters("👨‍👩‍👧👍🏽🇩🇪🇫🇷e\u0301ते") == ["👨‍👩‍👧", "👍🏽", "🇩🇪", "🇫🇷", "e\u0301", "ते"]


def test_emoji_have_their_own_colours_and_words_beside_them_the_text_s() -> None:
    face_for("👍", is_emoji=True)
    image = drawn("👍 cup", colour=(255, 0, 0))
    thumb, word = image[:, :35].reshape(-1, 3), image[:, 45:].reshape(-1, 3)
    assert (thumb[:, 2] > 150).any()  # yellow has red in it
    assert word[:, 0].max() == 255
    assert word[:, 2].max() == 0
    assert text_size("👨‍👩‍👧", SIZE)[0] < 2 * text_size("👍", SIZE)[0]


@pytest.mark.parametrize("line", ["สีนี้ที่", "ཧྥུྃ", "مَرْحَبًا", "Ấ", "👍", "ष्ट्रूँ"])
@pytest.mark.parametrize("size", [6, 11, 40])
def test_nothing_is_drawn_beyond_the_line(line: str, size: int) -> None:
    width, height = text_size(line, size)
    image = np.zeros((height + 20, width + 20, 3), np.uint8)
    draw_text(image, line, (10, 10), size, (255, 255, 255))
    assert image.max() > 0
    image[10 : 10 + height, 10 : 10 + width] = 0
    assert image.max() == 0
    assert height == text_size("x", size)[1]


@pytest.fixture
def anew() -> Iterator[None]:
    """Look for fonts anew in a test, and after it."""
    kept = (text._drawing, text._layers, system_fonts._find_face)
    for found in kept:
        found.cache_clear()
    all_scripts._told.clear()
    yield
    for found in kept:
        found.cache_clear()
    all_scripts._told.clear()


class Told(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.mark.parametrize("size", [14, 17])
def test_words_in_a_font_are_of_one_size_however_deep_one_reaches(size: int) -> None:
    face_for("\u0917")
    deep, long = "\u0917\u0942", 12 * "\u0917"  # the vowel of the first stands below the line
    gap = text_size("n n", size)[0] - text_size("nn", size)[0]
    apart, together = (text_size(line, size)[0] for line in (f"{deep} {long}", deep + long))
    assert abs(apart - gap - together) < 10  # two sizes would be 25 apart


@pytest.mark.usefixtures("anew")
def test_what_no_font_has_is_spelled_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("fc-match") is None:
        pytest.skip("fontconfig is not installed")
    settings = tmp_path / "fonts.conf"
    settings.write_text("<fontconfig></fontconfig>")
    monkeypatch.setenv("FONTCONFIG_FILE", str(settings))
    told, logger = Told(), logging.getLogger("webcam_classifier")
    logger.addHandler(told)
    try:
        pictures = {drawn(line).tobytes() for line in ("कप", "पक", "👍 cup", "👎 cup")}
    finally:
        logger.removeHandler(told)
    assert len(pictures) == 4  # labels can be told apart
    assert np.array_equal(drawn("कप"), drawn("ka-pa"))
    assert np.array_equal(drawn("👍 cup"), drawn("thumbs up sign cup"))
    assert len(told.messages) == 2
    assert "apt install fonts-noto-core" in told.messages[0]
    assert "fonts-noto-color-emoji" in told.messages[1]


@pytest.mark.usefixtures("anew")
def test_a_system_without_fontconfig_has_fonts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    if open_font(Face("DejaVuSans.ttf"), 20) is None:
        pytest.skip("DejaVu Sans is not installed")
    assert find_face("ع", bold=False, is_emoji=False) == Face("DejaVuSans.ttf")


def test_a_text_that_was_drawn_costs_its_blending_alone() -> None:
    face_for("ع")
    image = np.zeros((480, 640, 3), np.uint8)

    def seconds(line: str) -> float:
        times = []
        for _ in range(200):
            began = time.perf_counter()
            draw_text(image, line, (5, 5), SIZE, (255, 255, 255))
            times.append(time.perf_counter() - began)
        return min(times)

    # Laying the line out anew takes a hundred times as long.
    assert seconds("مرحبا كوب") < 10 * seconds("a cup of")
