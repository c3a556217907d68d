"""Ask Linux about a camera's device file: what it is, what it can do, who uses it.

Structures and numbers are those of the kernel's userspace API (linux/videodev2.h). The answers'
layout is tested with packed structures; no part of this has been run on a real camera yet.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

Ioctl = Callable[[int, bytearray], None]
"""Send one request to an opened device: its number and its structure, which is filled in place.

Raises `OSError` where the device refuses.
"""

STABLE_NAMES = (Path("/dev/v4l/by-id"), Path("/dev/v4l/by-path"))
"""Folders of links to device files, which udev keeps: by maker and serial number, by socket."""

_CAPTURE = 0x1 | 0x1000  # V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE
_HAS_DEVICE_CAPABILITIES = 0x80000000
_CAPTURE_BUFFERS = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
_MAPPED_MEMORY = 1  # V4L2_MEMORY_MMAP
_DISCRETE = 1  # V4L2_FRMSIZE_TYPE_DISCRETE, V4L2_FRMIVAL_TYPE_DISCRETE
_MOST_ANSWERS = 100  # a driver that never says "no more" must not hang us

_CAPABILITY = struct.Struct("=16s32s32s3I12x")
_FORMAT = struct.Struct("=3I32sI16x")
_FRAME_SIZE = struct.Struct("=3I6I8x")
_FRAME_INTERVAL = struct.Struct("=5I6I8x")
_BUFFER_REQUEST = struct.Struct("=4IB3x")


def _request_number(direction: int, number: int, layout: struct.Struct) -> int:
    return direction << 30 | layout.size << 16 | ord("V") << 8 | number


QUERY_CAPABILITY = _request_number(2, 0, _CAPABILITY)
ENUMERATE_FORMATS = _request_number(3, 2, _FORMAT)
REQUEST_BUFFERS = _request_number(3, 8, _BUFFER_REQUEST)
ENUMERATE_FRAME_SIZES = _request_number(3, 74, _FRAME_SIZE)
ENUMERATE_FRAME_INTERVALS = _request_number(3, 75, _FRAME_INTERVAL)


@dataclass(frozen=True)
class Capability:
    """What a device says it is.

    Attributes:
        card: Its name.
        gives_pictures: False for the second node that many cameras have, for metadata.
    """

    card: str
    gives_pictures: bool


@dataclass(frozen=True)
class CameraFormat:
    """One kind and size of picture that a camera offers.

    Attributes:
        code: Four characters, such as 'MJPG' or 'YUYV'.
        width: Pixels.
        height: Pixels.
        rates: Frames a second, highest first; empty where the camera doesn't say.
    """

    code: str
    width: int
    height: int
    rates: tuple[float, ...]


def query_capability(ioctl: Ioctl) -> Capability:
    """Ask a device what it is.

    Raises:
        OSError: It is no video device.
    """
    answer = bytearray(_CAPABILITY.size)
    ioctl(QUERY_CAPABILITY, answer)
    _driver, card, _bus, _version, whole, this_node = _CAPABILITY.unpack(answer)
    # `whole` counts the camera's other nodes in; `this_node` is right, where a driver fills it.
    flags = this_node if whole & _HAS_DEVICE_CAPABILITIES else whole
    return Capability(_text(card), bool(flags & _CAPTURE))


def list_formats(ioctl: Ioctl) -> tuple[CameraFormat, ...]:
    """Ask a camera which pictures it can give, in its own order."""
    return tuple(_enumerate_formats(ioctl))


def is_streaming_elsewhere(ioctl: Ioctl) -> bool:
    """Whether another program holds the camera's buffers.

    Asking for none of them frees ours, of which there are none, and is refused with EBUSY while
    they belong to somebody else.
    """
    request = bytearray(_BUFFER_REQUEST.pack(0, _CAPTURE_BUFFERS, _MAPPED_MEMORY, 0, 0))
    try:
        ioctl(REQUEST_BUFFERS, request)
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


@contextmanager
def opened(node: Path) -> Iterator[Ioctl]:
    """Open a device file for requests; this starts no camera.

    Raises:
        OSError: It can't be opened.
    """
    descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield lambda request, answer: _ioctl(descriptor, request, answer)
    finally:
        os.close(descriptor)


def is_available() -> bool:
    """Whether this system has device files to ask: whether it is Linux."""
    return sys.platform == "linux"


def video_nodes() -> list[Path]:
    """List the device files of cameras, in the order of their numbers."""
    nodes = [node for node in Path("/dev").glob("video*") if node.name[5:].isdecimal()]
    return sorted(nodes, key=lambda node: int(node.name[5:]))


def stable_name(node: Path, folders: Sequence[Path] = STABLE_NAMES) -> Path | None:
    """Find the name that a camera keeps when it is plugged in again, also under another number.

    Args:
        node: Its device file, or such a name itself.
        folders: Where the system keeps such names, the best first.

    Returns:
        A link to the device file; None where the system keeps none.
    """
    if node.is_symlink():
        return node
    for folder in folders:
        for name in sorted(folder.glob("*")):
            if name.resolve() == node:
                return name
    return None


def explain_node(node: Path) -> str:
    """Say in a sentence or two why a device file gives no pictures; empty where nothing is wrong.

    Args:
        node: Such as /dev/video0; it may be missing.
    """
    if not node.exists():
        return _explain_missing(node)
    if not stat.S_ISCHR(node.stat().st_mode):
        return f"{node} is not the device file of a camera."
    if not os.access(node, os.R_OK | os.W_OK):
        return (
            f"You have no permission to use {node}. Join the group that has: "
            "sudo usermod -aG video $USER, then log out and in again."
        )
    try:
        with opened(node) as ioctl:
            if not query_capability(ioctl).gives_pictures:
                return (
                    f"{node} carries no pictures: it is the second node of a camera, for "
                    "metadata. Use the other one, usually the number below."
                )
            busy = is_streaming_elsewhere(ioctl)
    except OSError as error:
        if error.errno == errno.EBUSY:
            busy = True
        elif error.errno in (errno.ENOTTY, errno.EINVAL):
            return f"{node} is not a camera."
        else:
            return f"{node} can't be opened: {error.strerror}. Unplug it and plug it in again."
    if busy:
        users = programs_using(node)
        whose = f": {', '.join(users)}" if users else ""
        return f"{node} is in use by another program{whose}. Close that program."
    return ""


def programs_using(node: Path) -> list[str]:
    """Name the programs that have a file open, as far as we may look: 'cheese (process 4321)'."""
    users = []
    wanted = str(node.resolve())
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            if wanted in _open_files(process):
                users.append(f"{(process / 'comm').read_text().strip()} (process {process.name})")
        except OSError:
            continue  # ended while we looked, or somebody else's
    return users


def _open_files(process: Path) -> Iterator[str]:
    for link in (process / "fd").iterdir():
        with suppress(OSError):  # closed while we looked
            yield str(link.readlink())


def _explain_missing(node: Path) -> str:
    others = [str(other) for other in video_nodes()]
    if others:
        return f"There is no {node}; there is {', '.join(others)}."
    return (
        f"There is no {node}, nor any other camera. Plug one in, or try --source demo, which "
        "needs none."
    )


def _ioctl(descriptor: int, request: int, answer: bytearray) -> None:
    # Not at the top: this module is imported, though not used, on systems that have no fcntl.
    import fcntl

    fcntl.ioctl(descriptor, request, answer)


def _enumerate_formats(ioctl: Ioctl) -> Iterator[CameraFormat]:
    for index in range(_MOST_ANSWERS):
        answer = bytearray(_FORMAT.pack(index, _CAPTURE_BUFFERS, 0, b"", 0))
        if not _answered(ioctl, ENUMERATE_FORMATS, answer):
            return
        code = _FORMAT.unpack(answer)[4]
        for width, height in _enumerate_sizes(ioctl, code):
            rates = tuple(_enumerate_rates(ioctl, code, width, height))
            name = code.to_bytes(4, "little").decode("ascii", "replace").strip()
            yield CameraFormat(name, width, height, rates)


def _enumerate_sizes(ioctl: Ioctl, code: int) -> Iterator[tuple[int, int]]:
    for index in range(_MOST_ANSWERS):
        answer = bytearray(_FRAME_SIZE.pack(index, code, *[0] * 7))
        if not _answered(ioctl, ENUMERATE_FRAME_SIZES, answer):
            return
        kind, *numbers = _FRAME_SIZE.unpack(answer)[2:]
        if kind != _DISCRETE:  # any size up to a largest: that one stands for all
            yield numbers[1], numbers[4]
            return
        yield numbers[0], numbers[1]


def _enumerate_rates(ioctl: Ioctl, code: int, width: int, height: int) -> Iterator[float]:
    for index in range(_MOST_ANSWERS):
        answer = bytearray(_FRAME_INTERVAL.pack(index, code, width, height, *[0] * 7))
        if not _answered(ioctl, ENUMERATE_FRAME_INTERVALS, answer):
            return
        kind, seconds, parts = _FRAME_INTERVAL.unpack(answer)[4:7]  # the shortest interval
        if seconds:
            yield parts / seconds
        if kind != _DISCRETE:
            return


def _answered(ioctl: Ioctl, request: int, answer: bytearray) -> bool:
    try:
        ioctl(request, answer)
    except OSError:  # EINVAL: there is no further one; anything else: it can't say
        return False
    return True


def _text(padded: bytes) -> str:
    return padded.partition(b"\0")[0].decode("utf-8", "replace")
