"""Large pictures, and those that claim to be: read reduced, in bounded memory, or refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from webcam_classifier.dataset.picture_files import (
    REDUCED_FROM,
    PictureError,
    check_header,
    decode_picture,
)
from webcam_classifier.dataset.reading import decode
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import shrink

_PEAK = """
import resource, sys, threading
from pathlib import Path
from webcam_classifier.dataset.picture_files import PictureError, read_picture

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000

def read():
    try:
        shapes.append(read_picture(Path(sys.argv[1])).shape)
    except PictureError:
        shapes.append(())

shapes, before = [], peak()
threads = [threading.Thread(target=read) for _ in range(int(sys.argv[2]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(peak() - before, *shapes[0])
"""


def peak_megabytes(path: Path, readers: int = 1) -> tuple[float, tuple[int, ...]]:
    """How much more memory a process takes when threads read a picture, and the picture's shape."""
    command = [sys.executable, "-c", _PEAK, str(path), str(readers)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(said[0]), tuple(int(number) for number in said[1:])


def scene(width: int, height: int) -> BgrImage:
    """Smooth colours with an edge in them, another one for each corner."""
    across = np.linspace(0, 255, width, dtype=np.uint8)
    down = np.linspace(255, 0, height, dtype=np.uint8)
    image = np.empty((height, width, 3), dtype=np.uint8)
    image[:, :, 0] = across
    image[:, :, 1] = down[:, np.newaxis]
    image[:, :, 2] = 40
    image[: height // 3, : width // 4, 2] = 220
    return image


def encoded(image: BgrImage, kind: str, mode: str = "RGB", **options: object) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1])).convert(mode)
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def png(width: int, height: int, depth: int, colour_type: int, data: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + end

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def flat_png(width: int, height: int, depth: int, colour_type: int, row_bytes: int) -> bytes:
    packer = zlib.compressobj(1)
    row = bytes(1 + row_bytes)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return png(width, height, depth, colour_type, packed)


def test_a_header_that_promises_more_than_the_file_can_hold_is_refused_at_once(
    tmp_path: Path,
) -> None:
    # One line of 10,000 is there, so that a decoder would take the memory and begin.
    content = png(10_000, 10_000, 16, 6, zlib.compress(bytes(80_001), 9))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError, match=r"10000 x 10000 pixels, which 1\d\d bytes can't hold"):
        decode_picture(content)
    megabytes, _ = peak_megabytes(tmp_path / "a.png", 4)
    assert megabytes < 20


def test_a_photograph_of_108_megapixels_is_read_in_little_memory(tmp_path: Path) -> None:
    Image.new("RGB", (12_000, 9000), (90, 120, 30)).save(tmp_path / "a.jpg", quality=30)
    megabytes, shape = peak_megabytes(tmp_path / "a.jpg")
    assert shape == (2250, 3000, 3)
    assert megabytes < 200  # decoded whole it takes two gigabytes
    check_header((tmp_path / "a.jpg").read_bytes())


def test_several_threads_read_large_photographs_one_after_the_other(tmp_path: Path) -> None:
    Image.new("RGB", (8000, 6000), (90, 120, 30)).save(tmp_path / "a.jpg", quality=30)
    megabytes, shape = peak_megabytes(tmp_path / "a.jpg", 6)
    assert shape == (3000, 4000, 3)
    assert megabytes < 450  # 6 results of 36 MB are held; 5 gigabytes where each is decoded whole


def test_an_honest_large_png_takes_less_than_a_gigabyte(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(flat_png(8000, 8010, 8, 6, 32_000))
    megabytes, shape = peak_megabytes(tmp_path / "a.png")
    assert shape == (2002, 2000, 3)
    assert megabytes < 450  # 1.5 gigabytes where it is converted whole


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGB", {"compress_level": 1}),
        ("PNG", "RGBA", {"compress_level": 1}),
        ("PNG", "L", {"compress_level": 1}),
        ("BMP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True, "quality": 0, "method": 0}),
        ("WEBP", "RGBA", {"lossless": True, "quality": 0, "method": 0}),
    ],
)
def test_what_is_halved_while_it_is_read_is_what_shrinking_gives(
    kind: str, mode: str, options: dict[str, object]
) -> None:
    width, height = 4901, 3301
    assert width * height > REDUCED_FROM
    image = scene(width, height)
    if mode == "L":
        image = np.repeat(image[:, :, :1], 3, axis=2)
    found = decode_picture(encoded(image, kind, mode, **options))
    assert found.shape == (1650, 2450, 3)
    np.testing.assert_array_equal(found, shrink(image, 1650))


def test_a_transparent_part_of_a_large_picture_is_white() -> None:
    colours = np.zeros((4100, 4000, 4), dtype=np.uint8)
    colours[:, :, 2] = 200
    colours[:2000, :, 3] = 255
    for kind, options in (("PNG", {"compress_level": 1}), ("WEBP", {"lossless": True})):
        content = io.BytesIO()
        Image.fromarray(colours).save(content, kind, **options)
        found = decode_picture(content.getvalue())
        assert found.shape == (2050, 2000, 3)
        assert found[500, 500].tolist() == [200, 0, 0]
        assert found[1500, 500].tolist() == [255, 255, 255]


def test_a_large_jpeg_is_nearly_what_shrinking_gives() -> None:
    image = scene(5000, 3400)
    for mode in ("RGB", "CMYK", "L"):
        content = encoded(image, "JPEG", mode, quality=90)
        whole = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))[:, :, ::-1]
        found = decode_picture(content)
        difference = np.abs(found.astype(int) - shrink(np.ascontiguousarray(whole), 1700))
        assert found.shape == (1700, 2500, 3)
        assert difference.mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_photograph_is_turned_upright_and_keeps_its_size(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(scene(5000, 3400), "JPEG", quality=60, exif=exif)
    small = io.BytesIO()
    Image.fromarray(scene(50, 34)[:, :, ::-1]).save(small, "PNG", exif=exif)
    expected = decode_picture(small.getvalue()).astype(int)
    decoded = decode(content, 34)
    height, width = expected.shape[:2]
    assert decoded.size == (width * 100, height * 100)
    corners = decode_picture(content)[:: 50 * 2, :: 50 * 2][[1, 1, -2, -2], [1, -2, 1, -2]]
    assert np.abs(corners - expected[[2, 2, -3, -3], [2, -3, 2, -3]]).max() < 40


def test_up_to_sixteen_megapixels_every_pixel_is_read() -> None:
    image = scene(4000, 4000)
    np.testing.assert_array_equal(decode_picture(encoded(image, "BMP")), image)


def test_a_long_narrow_picture_keeps_its_narrow_side() -> None:
    found = decode_picture(encoded(scene(17_000, 1000), "BMP"))
    assert found.shape == (1000, 17_000, 3)


def test_a_photograph_of_countless_scans_is_refused() -> None:
    content = encoded(np.full((5000, 5000, 3), 90, np.uint8), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    scan = content[last:-2]
    with pytest.raises(PictureError, match="minutes"):
        decode_picture(content[:-2] + scan * 500 + content[-2:])
    assert decode_picture(content).shape == (2500, 2500, 3)


def test_a_bitmap_that_is_cut_off_is_refused_before_it_is_decoded() -> None:
    content = encoded(scene(600, 400), "BMP")
    huge = content[:18] + struct.pack("<ii", 10_000, 10_000) + content[26:]
    with pytest.raises(PictureError, match="can't hold"):
        decode_picture(huge)
