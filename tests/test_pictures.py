"""Reading pictures of every common kind."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from webcam_classifier.dataset.picture_files import (
    PictureError,
    encode_snapshot,
    is_picture_name,
    read_picture,
)
from webcam_classifier.frame import BgrImage


def quarters() -> BgrImage:
    """Four colours: top left blue, top right green, bottom left red, bottom right white."""
    image = np.zeros((40, 60, 3), dtype=np.uint8)
    image[:20, :30] = (255, 0, 0)
    image[:20, 30:] = (0, 255, 0)
    image[20:, :30] = (0, 0, 255)
    image[20:, 30:] = (255, 255, 255)
    return image


def as_pillow(image: BgrImage) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))


@pytest.mark.parametrize(
    "name", ["a.png", "a.PNG", "a.bmp", "a.BMP", "a.webp", "a.jpg", "a.JPEG", "a.Jpg"]
)
def test_each_format_and_ending_keeps_its_colours(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    kind = {"jpg": "JPEG", "jpeg": "JPEG"}.get(name[2:].lower(), name[2:].upper())
    as_pillow(quarters()).save(path, kind, quality=100)
    found = read_picture(path).astype(int)
    centres = found[[10, 10, 30, 30], [15, 45, 15, 45]]
    assert is_picture_name(path)
    assert np.abs(centres - [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3]).max() < 12


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK"])
def test_every_mode_shows_what_a_viewer_shows(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture = as_pillow(quarters()).convert(mode)
    picture.save(path, quality=100)
    expected = np.asarray(picture.convert("RGB"))[:, :, ::-1].astype(int)
    assert np.abs(read_picture(path).astype(int) - expected).mean() < 3


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    picture.paste((200, 100, 50, 255), (0, 0, 10, 10))
    picture.save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    assert found[5, 15].tolist() == [255, 255, 255]
    assert found[5, 5].tolist() == [50, 100, 200]


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[np.newaxis].repeat(4, axis=0)
    assert cv2.imwrite(str(tmp_path / "grey.png"), ramp)
    assert cv2.imwrite(str(tmp_path / "colour.png"), np.dstack([ramp] * 3))
    for name in ("grey.png", "colour.png"):
        found = read_picture(tmp_path / name)
        assert np.abs(found[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(tmp_path: Path, orientation: int) -> None:
    upright = quarters()
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, 3),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    as_pillow(turned).save(tmp_path / "a.jpg", quality=100, subsampling=0, exif=exif)
    found = read_picture(tmp_path / "a.jpg").astype(int)
    assert found.shape == upright.shape
    assert np.abs(found - upright).mean() < 6


def test_the_content_counts_not_the_ending(tmp_path: Path) -> None:
    as_pillow(quarters()).save(tmp_path / "a.jpg", "PNG")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.jpg"), quarters())


def test_an_animation_gives_its_first_picture(tmp_path: Path) -> None:
    first, second = as_pillow(quarters()), as_pillow(quarters()[::-1])
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second], lossless=True)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.webp"), quarters())


def huge_png(width: int, height: int) -> bytes:
    """A valid PNG header that promises many pixels, and none of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not a JPEG"),
        (b"\xff\xd8\xff", "not a JPEG|damaged"),
        (encode_snapshot(quarters())[:300], "damaged"),
        (huge_png(20000, 20000), "20000 x 20000"),
        (huge_png(2**30, 2**30), "too large|damaged"),
        (b"GIF89a" + bytes(20), "not a JPEG"),
    ],
)
def test_bad_files_are_named_by_their_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=reason):
        read_picture(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="No such file"):
        read_picture(tmp_path / "a.jpg")


def test_garbage_never_gives_anything_but_a_picture_or_a_reason(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    whole = bytearray(encode_snapshot(quarters()))
    path = tmp_path / "a.jpg"
    for _ in range(200):
        damaged = whole.copy()
        for place in generator.integers(0, len(whole), 5):
            damaged[place] = generator.integers(0, 256)
        path.write_bytes(damaged)
        try:
            channels = read_picture(path).shape[2]
        except PictureError:
            continue
        assert channels == 3
