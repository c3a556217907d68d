"""Read one picture of any common kind from disk, correctly or not at all; write a snapshot.

A large picture is read at half or a quarter of its size: more is not needed, and ten photographs of
48 megapixels took gigabytes. The size in a header is compared with what the file can hold, and with
the memory that decoding would take, before anything is decoded.
"""

from __future__ import annotations

import ctypes
import io
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
REDUCED_FROM = 16_000_000
"""Pixels; a picture of more is read at half its size, or at a quarter."""

MAXIMUM_PIXELS = 120_000_000
"""A larger picture is refused by its header: decoding it takes up to a gigabyte."""

MAXIMUM_JPEG_PIXELS = 256_000_000
"""The same of a JPEG in one scan, as cameras write it: it is decoded at its reduced size."""

_SHORTEST_SIDE = 512  # pixels; a narrow picture is not reduced below this
_PIXELS_AT_ONCE = 64_000_000  # of all pictures that threads decode at the same time
_STRIP_PIXELS = 2_000_000  # converted at once
_DEFLATE_RATIO = 1032  # zlib can't pack more tightly (https://zlib.net/zlib_tech.html)
_MOST_SCANNED = 10_000_000_000  # pixels times scans of a JPEG: some seconds of decoding
_SNAPSHOT_QUALITY = 95
_ENDINGS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"RIFF": ".webp"}
_NO_PICTURE = "not a JPEG, PNG, BMP or WebP picture, whatever its name"
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type


class PictureError(UserError):
    """One file can't be read as a picture; its text is the reason, without the file's name."""


class _PixelBudget:
    """Bounds the memory of threads that decode at the same time.

    Args:
        pixels: Of all pictures at once; a larger one waits until it is alone.
    """

    def __init__(self, pixels: int) -> None:
        self._all = self._left = pixels
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for that many pixels, and reserve it for the context."""
        wanted = min(pixels, self._all)
        with self._changed:
            self._changed.wait_for(lambda: wanted <= self._left)
            self._left -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._left += wanted
                self._changed.notify_all()


_budget = _PixelBudget(_PIXELS_AT_ONCE)


def is_picture_name(path: Path) -> bool:
    """Whether a file's ending, in any case, is one of a picture that this project reads."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def read_picture(path: Path) -> BgrImage:
    """Read a picture file as a person would see it.

    EXIF rotation is applied, 16-bit depth is scaled to 8, CMYK and grey become BGR, transparent
    parts become white, and of an animation the first picture is taken. The content counts, not
    the ending. A picture of more than 16 megapixels is read at half its size, one of more than 64
    at a quarter.

    >>> from pathlib import Path
    >>> from webcam_classifier import read_picture
    >>> image = read_picture(Path("photo.jpg"))
    >>> image.shape, image.dtype
    ((48, 64, 3), dtype('uint8'))

    Args:
        path: A JPEG, PNG, BMP or WebP file.

    Returns:
        (height, width, 3) uint8, blue green red.

    Raises:
        PictureError: The file is missing, empty, cut off, too large, or not a picture.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(f"can't be opened: {error.strerror or error}") from error
    return decode_picture(content)


def decode_picture(content: bytes) -> BgrImage:
    """Decode a picture file's bytes; see `read_picture`.

    Raises:
        PictureError: The bytes are empty, cut off, too large a picture, or none at all.
    """
    return decode_with_size(content)[0]


def decode_with_size(content: bytes) -> tuple[BgrImage, tuple[int, int]]:
    """Decode a picture file's bytes; see `read_picture`.

    Returns:
        The picture, and the width and height that it has in the file, upright.

    Raises:
        PictureError: The bytes are empty, cut off, too large a picture, or none at all.
    """
    with _told_as_picture_error(), _opened(content) as image:
        _check_header(content, image)
        width, height = image.size
        with _budget.taken(width * height):
            pixels, orientation = _decoded(content, image)
            upright = np.ascontiguousarray(_upright(pixels, orientation))
            image.close()
            if width * height > REDUCED_FROM:
                _give_memory_back()
        is_turned = pixels.shape[:2] != upright.shape[:2]
        return upright, (height, width) if is_turned else (width, height)


def picture_size(content: bytes) -> tuple[int, int]:
    """Read a picture's size from its header; no pixel is decoded.

    Args:
        content: A JPEG, PNG, BMP or WebP file.

    Returns:
        Width and height in pixels, as they are stored: before EXIF rotation.

    Raises:
        PictureError: The bytes are empty, or no picture of these kinds.
    """
    with _told_as_picture_error(), _opened(content) as image:
        width, height = image.size
        return width, height


def check_header(content: bytes) -> None:
    """Refuse what can be refused without decoding, which costs neither time nor memory.

    Args:
        content: A JPEG, PNG, BMP or WebP file.

    Raises:
        PictureError: The bytes are empty, no picture of these kinds, or too large a picture.
    """
    with _told_as_picture_error(), _opened(content) as image:
        _check_header(content, image)


def _opened(content: bytes) -> ImageFile.ImageFile:
    """Open a picture by its header alone, whatever size it claims.

    `Image.open` would refuse or warn by a limit that is one for the whole process,
    `Image.MAX_IMAGE_PIXELS`, and belongs to the program that this library is a part of. So the
    class of the format is called, which is all that `Image.open` does besides. A phone's MPO opens
    as the JPEG that it begins with.
    """
    if not content:
        raise PictureError("empty file (0 bytes)")
    try:
        if content.startswith(b"\xff\xd8\xff"):
            from PIL.JpegImagePlugin import JpegImageFile

            return JpegImageFile(io.BytesIO(content))
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            from PIL.PngImagePlugin import PngImageFile

            return PngImageFile(io.BytesIO(content))
        if content.startswith(b"BM"):
            from PIL.BmpImagePlugin import BmpImageFile

            return BmpImageFile(io.BytesIO(content))
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            from PIL.WebPImagePlugin import WebPImageFile

            return WebPImageFile(io.BytesIO(content))
    except (SyntaxError, IndexError, TypeError, struct.error) as error:  # as `Image.open` takes it
        raise PictureError(_NO_PICTURE) from error
    raise PictureError(_NO_PICTURE)


def _check_header(content: bytes, image: ImageFile.ImageFile) -> None:
    """Refuse a picture that is larger than its file can hold, or than may be decoded."""
    width, height = image.size
    pixels = width * height
    most = MAXIMUM_PIXELS
    if image.format == "JPEG" and not _has_several_scans(content):
        most = MAXIMUM_JPEG_PIXELS
    if pixels > most:
        raise PictureError(
            f"too large: {width} x {height} pixels, at most {most // 1_000_000} million are read; "
            "make it smaller"
        )
    held = len(content)
    if image.format == "PNG":
        depth, colour_type = content[24], content[25]
        needed = height * -(-width * depth * _PNG_SAMPLES.get(colour_type, 1) // 8)
        held *= _DEFLATE_RATIO
    elif image.format == "BMP" and image.tile and image.tile[0].codec_name == "raw":
        needed = height * width * (1 if image.mode in ("1", "L", "P") else 16) // 8  # at least
    else:
        needed = 0
    if needed > held:
        raise PictureError(
            f"damaged or cut off (its header says {width} x {height} pixels, which "
            f"{len(content)} bytes can't hold)"
        )
    if image.format == "JPEG" and content.count(b"\xff\xda") * pixels > _MOST_SCANNED:
        raise PictureError("damaged (it would take minutes to decode); save it again")


def _has_several_scans(content: bytes) -> bool:
    """Whether a JPEG is progressive or in layers, and so is held completely while decoding."""
    place = 2
    components = 0
    while place + 4 <= len(content):
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if content[place] != 0xFF or (marker != 0xFF and length < 2):
            return True
        if marker == 0xFF:  # padding before a marker
            place += 1
        elif marker == 0xDA:  # start of scan
            return content[place + 4] < components
        else:
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
                if marker > 0xC1:
                    return True
                components = content[place + 9] if place + 9 < len(content) else 0
            place += 2 + length
    return True


@contextmanager
def _told_as_picture_error() -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError("too large for this machine's memory") from error
    except Image.DecompressionBombError as error:  # of a WebP, by Pillow's own limit
        raise PictureError(
            f"too large: at most {MAXIMUM_PIXELS // 1_000_000} million pixels are read; make it "
            "smaller"
        ) from error
    except Exception as error:  # a decoder that is fed garbage may raise anything
        raise PictureError(f"damaged or cut off ({error})") from error


def _decoded(content: bytes, image: ImageFile.ImageFile) -> tuple[BgrImage, object]:
    """Decode a picture, a large one reduced.

    Returns:
        The picture as it is stored, and what its EXIF data calls its orientation.
    """
    width, height = image.size
    halvings = 0
    while (
        width * height >> 2 * halvings > REDUCED_FROM
        and min(width, height) >> halvings >= 2 * _SHORTEST_SIDE
    ):
        halvings += 1
    if halvings and image.format == "WEBP":
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        image.close()
        # Pillow holds a WebP five times while it decodes it, OpenCV once or twice.
        found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        whole = np.asarray(found, dtype=np.uint8)
        if found is None or whole.shape[:2] != (height, width):
            raise PictureError("damaged or cut off")
        return _from_strips(_webp_strips(whole), whole.shape[:2], halvings), orientation
    if halvings and image.format == "JPEG":
        draft = image.draft(image.mode, (width >> halvings, height >> halvings))
        if draft is not None:
            halvings = 0
    image.load()
    # Looked at only now: a PNG may say it behind its pixels.
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return _from_strips(_strips(image), (image.height, image.width), halvings), orientation


def _give_memory_back() -> None:
    """Return to the system the memory that glibc keeps for each thread's next allocation."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _upright(image: BgrImage, orientation: object) -> NDArray[np.uint8]:
    """Rotate a picture by its EXIF orientation; 1 and invalid values leave it unchanged."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def _from_strips(
    strips: Iterator[BgrImage], size: tuple[int, int], halvings: int
) -> NDArray[np.uint8]:
    """Assemble a picture from its strips, each halved as often as `preprocess.shrink` would.

    Args:
        strips: From top to bottom, of heights that can be halved so often, but for the last.
        size: Height and width of them together.
        halvings: How often; an odd last row or column goes.
    """
    height, width = size[0] >> halvings, size[1] >> halvings
    whole = np.empty((height, width, 3), dtype=np.uint8)
    row = 0
    for strip in strips:
        for _ in range(halvings):
            rows, columns = strip.shape[0] // 2, strip.shape[1] // 2
            even = strip[: 2 * rows, : 2 * columns]
            if rows:
                strip = np.asarray(
                    cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8
                )
            else:
                strip = even[:0]
        rows = min(len(strip), height - row)
        whole[row : row + rows] = strip[:rows, :width]
        row += rows
    return whole


def _strip_height(width: int) -> int:
    return max(16, _STRIP_PIXELS // width // 16 * 16)


def _strips(image: Image.Image) -> Iterator[BgrImage]:
    """Convert a loaded picture from top to bottom: a copy of a large one takes much memory."""
    width, height = image.size
    step = _strip_height(width)
    if height <= step:
        yield _to_bgr(image)
        return
    for top in range(0, height, step):
        yield _to_bgr(image.crop((0, top, width, min(top + step, height))))


def _webp_strips(whole: NDArray[np.uint8]) -> Iterator[BgrImage]:
    """As `_strips`, of what OpenCV makes of a WebP: (height, width, 3 or 4), blue green red."""
    step = _strip_height(whole.shape[1])
    for top in range(0, len(whole), step):
        strip = whole[top : top + step]
        if strip.shape[2] == 4:
            code = cv2.COLOR_BGRA2RGBA
            yield _to_bgr(Image.fromarray(np.asarray(cv2.cvtColor(strip, code), dtype=np.uint8)))
        else:
            yield strip


def _to_bgr(image: Image.Image) -> BgrImage:
    if image.mode.startswith("I"):  # 16-bit grey, which `convert` would clip instead of scale
        values = np.asarray(image).astype(np.float32)
        grey = np.clip(np.rint(values / 257.0), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layered)
    red_green_blue: NDArray[np.uint8] = np.asarray(
        image if image.mode == "RGB" else image.convert("RGB")
    )
    return red_green_blue[:, :, ::-1]


def encode_snapshot(image: BgrImage) -> bytes:
    """Encode a picture as a JPEG of quality 95.

    Raises:
        ValueError: OpenCV could not encode it: not (height, width, 3) uint8.
    """
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _SNAPSHOT_QUALITY])
    if not done:
        raise ValueError(f"a picture of shape {image.shape} could not be encoded as JPEG")
    return encoded.tobytes()


def picture_ending(content: bytes) -> str:
    """The ending that a picture file's name should have, by its content.

    Args:
        content: Of a file that `decode_picture` reads.
    """
    return next(ending for start, ending in _ENDINGS.items() if content.startswith(start))
