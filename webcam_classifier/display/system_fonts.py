"""Find a font of this system that has a letter, by fontconfig or among known ones.

No font is part of the package: those of all scripts are hundreds of megabytes, and a system in
whose language somebody names labels has the fonts of that language.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont, features

_WITHOUT_FONTCONFIG = (
    # Windows: all scripts of Europe and of the Near East, South Asia, Thai, Chinese, Japanese,
    # Korean, and emoji.
    "segoeui.ttf", "Nirmala.ttc", "Nirmala.ttf", "LeelawUI.ttf", "ebrima.ttf", "sylfaen.ttf",
    "msyh.ttc", "YuGothM.ttc", "malgun.ttf", "seguiemj.ttf", "seguisym.ttf",
    # macOS.
    "Apple Color Emoji.ttc", "Arial Unicode.ttf", "Kohinoor.ttc", "GeezaPro.ttc",
    "ArialHB.ttc", "Thonburi.ttc", "Kefa.ttc", "NotoSansArmenian.ttc",
    # Linux without fontconfig.
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoColorEmoji.ttf", "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf", "NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf",
    "NotoSansCJK-Regular.ttc", "Arial.ttf",
)  # fmt: skip
_NOT_A_CHARACTER = "\U0010fffe"  # what a font draws for it, it draws for all that it has not
_BITMAP_SIZES = (109, 160, 136, 128, 96, 64, 40)  # pixels; of fonts that are bitmaps, as emoji are
_ASKED_SIZE = 32  # pixels
_FC_MATCH_LIMIT = 10.0  # seconds; the first call on a system makes fontconfig's cache
EMOJI_FROM, EMOJI_TO = 0x1F000, 0x1FAFF

Font = ImageFont.FreeTypeFont


@dataclass(frozen=True)
class Face:
    """A font of the system.

    Attributes:
        path: Its file, or a name that the system finds it by.
        index: Which one of the file.
    """

    path: str
    index: int = 0


def find_face(letter: str, *, bold: bool, is_emoji: bool) -> Face | None:
    """Find the font that a letter is drawn with.

    Args:
        letter: One character.
        bold: Whether heavy strokes are wanted; without such a font it is a regular one.
        is_emoji: Whether a font in colours comes first.

    Returns:
        The first that has the letter; None where there is none.
    """
    return _find_face(letter, bold, is_emoji)


@lru_cache(maxsize=1024)
def _find_face(letter: str, bold: bool, is_emoji: bool) -> Face | None:
    faces = (Face(name) for name in _WITHOUT_FONTCONFIG)
    found = _ask_fontconfig(letter, bold, is_emoji) if shutil.which("fc-match") else faces
    return next((face for face in found if has_letter(face, letter)), None)


@lru_cache(maxsize=64)
def open_font(face: Face, size: int) -> Font | None:
    """Open a font at the size, or at the nearest larger one that it has bitmaps of.

    Args:
        face: From `find_face`.
        size: In pixels.

    Returns:
        The font, whose `size` tells what it was opened at; None where it can't be opened.
    """
    for tried in (size, *_BITMAP_SIZES):
        try:
            return ImageFont.truetype(
                face.path, tried, index=face.index, layout_engine=_layout_engine()
            )
        except OSError:  # it is missing, or it is of bitmaps and has none of this size
            continue
    return None


@lru_cache(maxsize=4096)
def has_letter(face: Face, letter: str) -> bool:
    """Whether a font has a letter: it draws something, and not what it draws for none.

    Args:
        face: A font.
        letter: One character.
    """
    font = open_font(face, _ASKED_SIZE)
    if font is None:
        return False
    drawn, missing = (_drawn(font, one) for one in (letter, _NOT_A_CHARACTER))
    return drawn != missing and any(drawn)


@lru_cache(maxsize=1)
def can_shape() -> bool:
    """Whether letters that change with their neighbours can be drawn, as those of Arabic do."""
    return bool(features.check("raqm"))


def _drawn(font: Font, letter: str) -> bytes:
    canvas = Image.new("RGBA", (2 * round(font.size), 2 * round(font.size)))
    place = (font.size / 2, 1.5 * font.size)
    ImageDraw.Draw(canvas).text(place, letter, font=font, anchor="ls", embedded_color=True)
    return canvas.tobytes()


def _layout_engine() -> ImageFont.Layout:
    return ImageFont.Layout.RAQM if can_shape() else ImageFont.Layout.BASIC


def _ask_fontconfig(letter: str, bold: bool, is_emoji: bool) -> Iterator[Face]:
    """Ask for what the user's settings prefer among the fonts that have a letter."""
    has = f"charset={ord(letter):x}"
    weight = ":bold" if bold else ""
    patterns = [f"sans-serif:{has}{weight}", f"sans-serif:{has}"]
    if is_emoji:
        patterns.insert(0, f"emoji:{has}:color=true")
    for pattern in patterns:
        command = ["fc-match", "--format=%{file}\n%{index}", pattern]
        try:
            told = subprocess.run(
                command, capture_output=True, text=True, timeout=_FC_MATCH_LIMIT, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
            continue
        path, _, index = told.partition("\n")
        if path:
            yield Face(path, int(index) if index.isdigit() else 0)
