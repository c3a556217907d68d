"""A camera that is unplugged is known again by its stable name, also under another number."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from webcam_classifier.camera import v4l2
from webcam_classifier.camera.device import open_device
from webcam_classifier.camera.protocol import CameraError, CaptureSettings
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.frame import BgrImage


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.005)


class Socket:
    """A folder of device files, as udev keeps it, in which a camera is plugged in and out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_id = folder / "by-id"
        self.by_id.mkdir()
        self.name = self.by_id / "usb-Desk_Camera_0815-video-index0"

    def plug_in(self, number: int) -> Path:
        node = self.folder / f"video{number}"
        node.write_bytes(b"")
        self.name.symlink_to(node)
        return node

    def unplug(self) -> None:
        self.name.resolve().unlink()
        self.name.unlink()


@pytest.fixture
def socket(tmp_path: Path) -> Socket:
    return Socket(tmp_path)


class PluggedGrabber:
    """Frames of whichever device file the stable name stands for, as long as it is there."""

    def __init__(self, name: Path) -> None:
        self.node = name.resolve()
        if not self.node.exists():
            raise CameraError(f"The camera {name.name} is not plugged in.")
        if not os.access(self.node, os.R_OK):
            raise CameraError(f"You have no permission to use {self.node}.")
        self._number = 0

    def grab(self) -> bool:
        time.sleep(0.01)
        if not self.node.exists():
            raise CameraError(f"The camera {self.node} was unplugged.")
        return True

    def retrieve(self) -> BgrImage:
        self._number += 1
        generator = np.random.default_rng(self._number)
        return generator.integers(0, 256, (24, 32, 3), np.uint8)

    def describe(self, first: BgrImage) -> str:
        return f"camera {self.node.name}, {first.shape[1]} x {first.shape[0]}"

    def release(self) -> None:
        """Nothing is held."""


def test_a_camera_that_comes_back_under_another_number_is_the_same_one(socket: Socket) -> None:
    socket.plug_in(0)
    frames: list[int] = []

    def read() -> None:
        while (frame := camera.read()) is not None:
            frames.append(frame.index)

    with LiveCamera(
        PluggedGrabber(socket.name), True, reopen=lambda: PluggedGrabber(socket.name)
    ) as camera:
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        wait_until(lambda: len(frames) > 5)
        assert camera.description.startswith("camera video0,")
        socket.unplug()
        wait_until(lambda: camera.status.state == "reopening")
        assert "unplugged" in camera.status.reason
        # Another camera takes the number, and is not taken for ours.
        (socket.folder / "video0").write_bytes(b"")
        wait_until(lambda: "not plugged in" in camera.status.reason)
        before = len(frames)
        time.sleep(0.5)
        assert len(frames) == before
        socket.plug_in(4)
        wait_until(lambda: len(frames) > before + 5)
        assert camera.status.state == "live"
        assert camera.description.startswith("camera video4,")
    reader.join(5)
    assert frames == sorted(set(frames))


@pytest.mark.skipif(os.geteuid() == 0, reason="whoever is root has every permission")
def test_permission_that_is_taken_and_given_back_is_waited_for(socket: Socket) -> None:
    node = socket.plug_in(0)
    with LiveCamera(
        PluggedGrabber(socket.name), True, reopen=lambda: PluggedGrabber(socket.name)
    ) as camera:
        assert camera.read() is not None
        node.unlink()
        wait_until(lambda: camera.status.state == "reopening")
        node.touch(mode=0)
        wait_until(lambda: "no permission" in camera.status.reason)
        node.chmod(0o600)
        assert camera.read() is not None


def test_the_stable_name_of_a_device_file_is_the_link_to_it(socket: Socket) -> None:
    node = socket.plug_in(2)
    other = socket.folder / "video3"
    other.write_bytes(b"")
    by_path = socket.folder / "by-path"
    by_path.mkdir()
    (by_path / "pci-0-video-index0").symlink_to(other)
    folders = (socket.by_id, by_path, socket.folder / "missing")
    assert v4l2.stable_name(node, folders) == socket.name
    assert v4l2.stable_name(other, folders) == by_path / "pci-0-video-index0"
    assert v4l2.stable_name(socket.folder / "video9", folders) is None
    assert v4l2.stable_name(socket.name, folders) == socket.name


@pytest.mark.skipif(not v4l2.is_available(), reason="device files are of Linux")
def test_a_stable_name_without_its_camera_is_told_in_a_sentence(socket: Socket) -> None:
    socket.name.symlink_to(socket.folder / "video7")
    with pytest.raises(CameraError, match=r"usb-Desk_Camera_0815-video-index0 is not plugged in"):
        open_device(str(socket.name), CaptureSettings())
