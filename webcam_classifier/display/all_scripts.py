"""Draw a line with fonts of the system: scripts that join or turn letters round, and emoji.

OpenCV draws one letter after the other, from left to right, in the fonts that it has: neither
Arabic nor Hebrew come out right, nor does Hindi. Pillow with raqm shapes and joins letters; which
font draws what, and in which order runs stand, is said here.
"""

from __future__ import annotations

import logging
import math
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from webcam_classifier.display.bidi import visual_runs
from webcam_classifier.display.system_fonts import (
    EMOJI_FROM,
    EMOJI_TO,
    Face,
    can_shape,
    find_face,
    has_letter,
    open_font,
)
from webcam_classifier.frame import BgrImage

_logger = logging.getLogger(__name__)

_JOINER = "\u200d"
_AS_TEXT, _AS_EMOJI = "\ufe0e", "\ufe0f"  # which of both a symbol before it is drawn as
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
_FLAG_LETTERS = ("\U0001f1e6", "\U0001f1ff")
_NAMED_AFTER = (" LETTER ", " CHARACTER ", " VOWEL SIGN ", " SYLLABLE ", " DIGIT ", " SIGN ")
_told: set[str] = set()  # scripts without a font that a person was told of


@dataclass(frozen=True, eq=False)
class Drawing:
    """A line as it is laid over a picture.

    Attributes:
        cover: How much of each pixel is covered, (height, width) uint8.
        tinted: How much of that takes the text's colour, likewise; the same array where all does.
        own: The colour of the rest, (height, width, 3) uint8 BGR, already multiplied with how much
            it covers; None where nothing has a colour of its own.
    """

    cover: NDArray[np.uint8]
    tinted: NDArray[np.uint8]
    own: BgrImage | None = None


@dataclass(frozen=True)
class BaseFont:
    """What letters are drawn with that need nothing else.

    Attributes:
        draw: Draws a text, (height, width) uint8 from 0 to 255, with the line's height.
        has: Whether it has a letter.
    """

    draw: Callable[[str], NDArray[np.uint8]]
    has: Callable[[str], bool]


def clusters(text: str) -> list[str]:
    """Cut a text into what a reader takes for one letter: never a mark or joiner for itself.

    A simplification of the extended grapheme clusters of UAX #29.

    Args:
        text: Any.
    """
    if text.isascii():
        return list(text)
    found: list[str] = []
    for letter in text:
        if found and _continues(found[-1], letter):
            found[-1] += letter
        else:
            found.append(letter)
    return found


def draw_all_scripts(
    text: str, size: int, ascent: int, height: int, *, bold: bool, base: BaseFont
) -> Drawing:
    """Draw a line in any script.

    Args:
        text: The line, printable.
        size: Height of the font, in pixels.
        ascent: From the top to the line that letters stand on, in pixels.
        height: Of the line. What a font draws beyond it is drawn smaller instead.
        bold: Heavier strokes.
        base: What draws all that needs no other font.

    Returns:
        The line. What no font has is spelled by its name in Unicode, and a person is told once.
    """
    placed: list[tuple[str, Face | None, bool]] = []
    sizes: dict[Face, int] = {}  # one for all words in a font, however deep their letters reach
    for run, right_to_left in visual_runs(_spell_missing(text, bold, base)):
        pieces = list(_pieces(run, right_to_left, bold, base))
        for piece, face in reversed(pieces) if right_to_left else pieces:
            placed.append((piece, face, right_to_left))
            if face is not None:
                fitting = _fitting_size(piece, face, right_to_left, size, (ascent, height))
                sizes[face] = min(fitting, sizes.get(face, size))
    parts: list[Drawing] = []
    for piece, face, right_to_left in placed:
        if face is None:
            covered = base.draw(piece)
            parts.append(Drawing(covered, covered))
        else:
            drawing, above, _ = _draw_at(piece, face, right_to_left, sizes[face])
            parts.append(_in_line(drawing, max(0, ascent - above), height))
    return _beside(parts, height)


def _continues(cluster: str, letter: str) -> bool:
    if unicodedata.category(letter)[0] == "M" or letter == _JOINER:
        return True
    if cluster.endswith(_JOINER) or _SKIN_TONES[0] <= letter <= _SKIN_TONES[1]:
        return True
    is_flag = _FLAG_LETTERS[0] <= letter <= _FLAG_LETTERS[1]
    return is_flag and len(cluster) == 1 and _FLAG_LETTERS[0] <= cluster <= _FLAG_LETTERS[1]


def _is_emoji(cluster: str) -> bool:
    if _AS_EMOJI in cluster:
        return True
    is_symbol = EMOJI_FROM <= ord(cluster[0]) <= EMOJI_TO or (
        unicodedata.category(cluster[0]) == "So" and ord(cluster[0]) > 0xFF
    )
    return is_symbol and _AS_TEXT not in cluster


def _pieces(
    run: str, right_to_left: bool, bold: bool, base: BaseFont
) -> Iterator[tuple[str, Face | None]]:
    """Cut a run into pieces of one font; None is the base font."""
    piece = ""
    drawn_with: Face | None = None
    for cluster in clusters(run):
        if drawn_with is not None and _draws(drawn_with, cluster):
            face: Face | None = drawn_with
        else:
            face = _face_of(cluster, right_to_left, bold, base)
        if piece and face != drawn_with:
            yield piece, drawn_with
            piece = ""
        piece, drawn_with = piece + cluster, face
    if piece:
        yield piece, drawn_with


def _draws(face: Face, cluster: str) -> bool:
    """Whether a font goes on to a cluster: letters of one word are of one font where it can be."""
    is_common = unicodedata.bidirectional(cluster[0]) not in ("L", "R", "AL")
    if is_common or _is_emoji(cluster):
        return False
    return all(has_letter(face, letter) for letter in cluster if _is_seen(letter))


def _face_of(cluster: str, right_to_left: bool, bold: bool, base: BaseFont) -> Face | None:
    """The font of a cluster that some font has."""
    is_emoji = _is_emoji(cluster)
    if cluster.isspace():
        return None
    if not right_to_left and not is_emoji and len(cluster) == 1 and base.has(cluster):
        return None
    return find_face(cluster[0], bold=bold and not is_emoji, is_emoji=is_emoji)


def _is_seen(letter: str) -> bool:
    return not (letter.isspace() or letter in (_JOINER, _AS_TEXT, _AS_EMOJI, "\u200c"))


def _spell_missing(text: str, bold: bool, base: BaseFont) -> str:
    """Write the names of letters that nothing here can draw, and tell a person of it."""
    words: list[str] = []
    missing = ""
    for cluster in clusters(text):
        if can_draw(cluster, bold, base):
            words.append(cluster)
            continue
        if not missing:
            missing = cluster[0]
        needs_gap = words and not words[-1].isspace()
        words.append(("-" if needs_gap else "") + _spelled(cluster))
    spelled = "".join(words)
    if missing:
        _tell_missing(text, spelled, missing)
    return spelled


def can_draw(cluster: str, bold: bool, base: BaseFont) -> bool:
    """Whether there is a font for a letter with its marks; else it is spelled by its name."""
    if cluster.isspace() or (len(cluster) == 1 and base.has(cluster)):
        return can_shape() or unicodedata.bidirectional(cluster[0]) not in ("R", "AL")
    is_emoji = _is_emoji(cluster)
    if not is_emoji and not can_shape():
        return False  # letters would stand side by side that have to be joined, or marks beside
    return find_face(cluster[0], bold=bold and not is_emoji, is_emoji=is_emoji) is not None


def _spelled(cluster: str) -> str:
    """Spell a cluster by Unicode's names: `ka` for a letter, `thumbs up sign` for a symbol."""
    name = unicodedata.name(cluster[0], f"U+{ord(cluster[0]):04X}")
    if unicodedata.category(cluster[0])[0] == "S":
        return name.lower()
    for mark in _NAMED_AFTER:
        name = name.partition(mark)[2] or name
    return name.lower().replace(" ", "_")


def _tell_missing(text: str, spelled: str, letter: str) -> None:
    script = unicodedata.name(letter, "").partition(" ")[0]
    kind = "emoji" if _is_emoji(letter) else script
    if kind in _told:
        return
    _told.add(kind)
    if not can_shape():
        reason = "this Pillow has no raqm, which joins letters"
        advice = "install Pillow from PyPI (pip install --upgrade pillow)"
    else:
        what = "emoji" if kind == "emoji" else f"the script {script.title()}"
        reason = f"no font of this system has {what}"
        advice = (
            "install one, on Debian and Ubuntu with: "
            f"sudo apt install {'fonts-noto-color-emoji' if kind == 'emoji' else 'fonts-noto-core'}"
        )
    _logger.warning("%s is drawn as %s: %s; %s", text, spelled, reason, advice)


def _fitting_size(
    piece: str, face: Face, right_to_left: bool, size: int, line: tuple[int, int]
) -> int:
    """How large a font of the system may be for a piece to stay within the line."""
    ascent, height = line
    wanted = size
    while True:
        _, above, below = _draw_at(piece, face, right_to_left, wanted)
        if (above <= ascent and below <= height - ascent) or wanted <= 2:
            return wanted
        fits = min(ascent / max(above, 1), (height - ascent) / max(below, 1))
        wanted = min(wanted - 1, math.floor(wanted * fits))


def _draw_at(piece: str, face: Face, right_to_left: bool, size: int) -> tuple[Drawing, int, int]:
    """Draw a piece, and tell how far it reaches above and below the line that letters stand on."""
    font = open_font(face, max(1, size))
    assert font is not None  # it was found by drawing with it
    direction = ("rtl" if right_to_left else "ltr") if can_shape() else None
    left, top, right, bottom = font.getbbox(piece, anchor="ls", direction=direction)
    advance = font.getlength(piece, direction=direction)
    aside = max(0, math.ceil(-left))
    width = max(1, aside + math.ceil(max(advance, right)))
    above, below = max(0, math.ceil(-top)), max(0, math.ceil(bottom))
    canvas = Image.new("RGBA", (width, max(1, above + below)))
    ImageDraw.Draw(canvas).text(
        (aside, above),
        piece,
        fill=(255, 255, 255, 255),
        font=font,
        anchor="ls",
        direction=direction,
        embedded_color=True,
    )
    pixels = np.array(canvas)
    scale = size / font.size
    if scale < 1:  # bitmaps of one size alone
        smaller = (max(1, round(width * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, smaller, interpolation=cv2.INTER_AREA)
        above = round(above * scale)
        below = pixels.shape[0] - above
    cover: NDArray[np.uint8] = np.ascontiguousarray(pixels[:, :, 3])
    if (pixels[:, :, :3] == 255).all(axis=2)[cover == 255].all() and _is_grey(pixels):
        return Drawing(cover, cover), above, below
    own: BgrImage = np.ascontiguousarray(pixels[:, :, 2::-1])
    return Drawing(cover, np.zeros_like(cover), own), above, below


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels[:, :, 0] == pixels[:, :, 2]).all())


def _in_line(drawing: Drawing, top: int, height: int) -> Drawing:
    """Place a drawing into the line, so many pixels below its top."""

    def placed(layer: NDArray[np.uint8]) -> NDArray[np.uint8]:
        line: NDArray[np.uint8] = np.zeros((height, *layer.shape[1:]), np.uint8)
        kept = layer[: max(0, height - top)]
        line[top : top + len(kept)] = kept
        return line

    own = None if drawing.own is None else placed(drawing.own)
    return Drawing(placed(drawing.cover), placed(drawing.tinted), own)


def _beside(parts: list[Drawing], height: int) -> Drawing:
    if not parts:
        nothing: NDArray[np.uint8] = np.zeros((height, 1), np.uint8)
        return Drawing(nothing, nothing)
    cover = np.hstack([part.cover for part in parts])
    if all(part.own is None for part in parts):
        return Drawing(cover, cover)
    own = [
        np.zeros((*part.cover.shape, 3), np.uint8) if part.own is None else part.own
        for part in parts
    ]
    return Drawing(cover, np.hstack([part.tinted for part in parts]), np.hstack(own))
