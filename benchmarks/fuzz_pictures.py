"""Pictures of every format that is read, and how they are damaged."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from random import Random

import numpy as np
from PIL import Image, PngImagePlugin

from benchmarks.fuzz_bytes import changed_bytes
from webcam_classifier.dataset.picture_files import (
    PictureError,
    check_header,
    decode_picture,
    picture_ending,
    picture_size,
)
from webcam_classifier.dataset.reading import decode

_SIZES = (0, 1, 2, 255, 65_535, 10_000, 16_383, 2**31 - 1, 2**32 - 1)
_PNG_KINDS = (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"eXIf", b"iCCP", b"zTXt", b"acTL", b"IEND")


def whole_pictures() -> list[bytes]:
    """Small pictures of all formats and modes, with what files carry besides pixels."""
    random = np.random.default_rng(0)
    rough = random.integers(0, 256, (13, 17, 3), dtype=np.uint8)
    colour = Image.fromarray(rough).resize((90, 70), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a picture"
    alpha = colour.convert("RGBA")
    alpha.putalpha(colour.convert("L"))
    deep = Image.fromarray((np.asarray(colour.convert("L")).astype(np.uint16)) * 257)
    information = PngImagePlugin.PngInfo()
    information.add_text("Comment", "x" * 500, zip=True)
    icc = b"\0" * 200
    grey, palette, bits = colour.convert("L"), colour.quantize(30), colour.convert("1")
    return [
        _saved(colour, "JPEG", quality=80),
        _saved(colour, "JPEG", progressive=True, exif=exif),
        _saved(colour.convert("CMYK"), "JPEG"),
        _saved(grey, "JPEG", exif=exif, icc_profile=icc),
        _saved(colour, "JPEG", subsampling=0, restart_marker_blocks=2),
        _saved(colour, "MPO", save_all=True, append_images=[colour.resize((40, 30))]),
        _saved(colour, "PNG", pnginfo=information, exif=exif),
        _saved(alpha, "PNG", icc_profile=icc),
        _saved(deep, "PNG"),
        _saved(palette, "PNG", transparency=bytes(range(30))),
        _saved(bits, "PNG"),
        _saved(grey.convert("LA"), "PNG"),
        _saved(colour, "PNG", save_all=True, append_images=[colour.rotate(90)]),
        _saved(colour, "BMP"),
        _saved(palette, "BMP"),
        _saved(bits, "BMP"),
        _run_length_bmp(),
        _saved(colour, "WEBP", quality=60, exif=exif),
        _saved(alpha, "WEBP", lossless=True),
        _saved(alpha, "WEBP", quality=50),
        _saved(colour, "WEBP", save_all=True, append_images=[colour.rotate(90)]),
    ]


def damaged_picture(whole: Sequence[bytes], random: Random) -> bytes:
    """Damage one of some pictures.

    Args:
        whole: The pictures.
        random: Decides.
    """
    content = random.choice(whole)
    kind = random.randrange(6)
    if kind == 0 and content.startswith(b"\x89PNG"):
        return _changed_png(content, random)
    if kind == 1:
        return _changed_size(content, random)
    if kind == 2:
        other = random.choice(whole)
        return content[: random.randrange(8, len(content))] + other[random.randrange(len(other)) :]
    if kind == 3 and content.startswith(b"\xff\xd8"):
        return _changed_segments(content, random)
    return changed_bytes(content, random)


def ask_about_picture(content: bytes) -> str:
    """Read a picture on every way that the program reads one; say what came of it."""
    refused = 0
    for way in (check_header, picture_size, decode_picture, lambda it: decode(it, 64)):
        try:
            found = way(content)
        except PictureError as error:
            refused += 1
            if not str(error).isprintable():
                return "words that a terminal can't take"
            continue
        if isinstance(found, np.ndarray) and (
            found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3 or not found.size
        ):
            return "no picture"
    if refused:
        return "refused"
    picture_ending(content)
    return "read"


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def _run_length_bmp() -> bytes:
    rows = b"".join(bytes((40, row, 0, 4, 1, 2, 3, 4, 0, 0)) for row in range(30)) + b"\0\1"
    colours = b"".join(bytes((n, 255 - n, n // 2, 0)) for n in range(256))
    head = struct.pack("<IiiHHIIiiII", 40, 44, 30, 1, 8, 1, len(rows), 0, 0, 256, 0)
    start = 14 + len(head) + len(colours)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + head + colours + rows


def _changed_png(content: bytes, random: Random) -> bytes:
    """Change a chunk and give it its right checksum, so that it is believed."""
    chunks = []
    place = 8
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        body = content[place + 8 : place + 8 + length]
        chunks.append((content[place + 4 : place + 8], body))
        place += 12 + length
    for _ in range(random.choice((1, 1, 2, 3))):
        number = random.randrange(len(chunks))
        name, body = chunks[number]
        kind = random.randrange(6)
        if kind == 0:
            chunks[number] = name, changed_bytes(body + bytes(8), random)
        elif kind == 1:
            chunks.insert(random.randrange(len(chunks)), (name, body))
        elif kind == 2:
            chunks.pop(number)
            if not chunks:
                break
        elif kind == 3:
            chunks[number] = random.choice(_PNG_KINDS), body
        elif kind == 4:
            chunks[number] = name, zlib.compress(bytes(random.choice((0, 100, 5_000_000))))
        else:
            size = struct.pack(">II", random.choice(_SIZES), random.choice(_SIZES))
            form = bytes((random.choice((1, 8, 16, 3)), random.choice((0, 2, 3, 4, 6, 9)), 0, 0))
            chunks[0] = b"IHDR", size + form + bytes((random.choice((0, 1)),))
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    ]
    return content[:8] + b"".join(parts)


def _changed_size(content: bytes, random: Random) -> bytes:
    """Say another size in the header, where there is one to be found."""
    damaged = bytearray(content)
    width, height = random.choice(_SIZES), random.choice(_SIZES)
    if content.startswith(b"\x89PNG"):
        damaged[16:24] = struct.pack(">II", width, height)
        damaged[29:33] = struct.pack(">I", zlib.crc32(bytes(damaged[12:29])))
    elif content.startswith(b"BM"):
        damaged[18:26] = struct.pack("<II", width, height)
    elif content.startswith(b"\xff\xd8"):
        frame = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
        if frame > 0:
            damaged[frame + 5 : frame + 9] = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
    else:
        place = content.find(b"VP8X") + 12 if b"VP8X" in content else 26
        damaged[place : place + 6] = struct.pack("<IH", width, height & 0xFFFF)
    return bytes(damaged)


def _changed_segments(content: bytes, random: Random) -> bytes:
    """Double or drop parts of a JPEG between its markers: scans, tables, EXIF data."""
    parts = [b"\xff" + part for part in content.split(b"\xff")[1:]]
    for _ in range(random.choice((1, 2, 5))):
        number = random.randrange(1, len(parts))
        kind = random.randrange(3)
        if kind == 0:
            parts[number] = parts[number] * random.choice((2, 3, 50))
        elif kind == 1 and len(parts) > 3:
            parts.pop(number)
        else:
            other = random.randrange(1, len(parts))
            parts[number], parts[other] = parts[other], parts[number]
    return b"".join(parts)
