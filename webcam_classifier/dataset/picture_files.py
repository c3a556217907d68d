"""Read one picture of any common kind from disk, correctly or not at all; write a snapshot."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
MAXIMUM_PIXELS = 100_000_000
"""A larger picture is refused by its header, before its pixels fill the memory."""

_SNAPSHOT_QUALITY = 95
_ENDINGS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"RIFF": ".webp"}
_NO_PICTURE = "not a JPEG, PNG, BMP or WebP picture, whatever its name"


class PictureError(UserError):
    """One file can't be read as a picture; its text is the reason, without the file's name."""


def is_picture_name(path: Path) -> bool:
    """Whether a file's ending, in any case, is one of a picture that this project reads."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def read_picture(path: Path) -> BgrImage:
    """Read a picture file as a person would see it.

    EXIF rotation is applied, 16-bit depth is scaled to 8, CMYK and grey become BGR, transparent
    parts become white, and of an animation the first picture is taken. The content counts, not
    the ending.

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
    with _told_as_picture_error(), _opened(content) as image:
        width, height = image.size
        if width * height > MAXIMUM_PIXELS:
            raise PictureError(
                f"too large: {width} x {height} pixels, at most "
                f"{MAXIMUM_PIXELS // 1_000_000} million are read; make it smaller"
            )
        image.load()
        return _to_bgr(ImageOps.exif_transpose(image))


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


def _opened(content: bytes) -> Image.Image:
    """Open a picture by its header alone, whatever size it says.

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


def _to_bgr(image: Image.Image) -> BgrImage:
    if image.mode.startswith("I"):  # 16-bit grey, which `convert` would clip instead of scale
        values = np.asarray(image).astype(np.float32)
        grey = np.clip(np.rint(values / 257.0), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layered)
    red_green_blue: NDArray[np.uint8] = np.asarray(image.convert("RGB"))
    return np.ascontiguousarray(red_green_blue[:, :, ::-1])


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
