from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from typing import TypeVar

import pytest

from webcam_classifier.camera import v4l2
from webcam_classifier.camera.device_list import (
    CameraReport,
    describe_cameras,
    list_cameras,
    measure_rate,
    report_node,
)
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import CaptureSettings
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.camera.v4l2 import CameraFormat

MJPG = int.from_bytes(b"MJPG", "little")
YUYV = int.from_bytes(b"YUYV", "little")


Choice = TypeVar("Choice")


class UsbCamera:
    """Answers requests with structures packed by hand, as the kernel lays them out."""

    def __init__(self, this_node: int = 0x04200001, busy: bool = False) -> None:
        self._this_node = this_node
        self._busy = busy
        self._sizes = {MJPG: [(640, 480), (1280, 720)], YUYV: [(640, 480)]}
        self._intervals = {MJPG: [(1, 30), (1, 15)], YUYV: [(2, 15)]}

    def __call__(self, request: int, answer: bytearray) -> None:
        index, code = struct.unpack_from("=II", answer)
        number = request & 0xFF
        if number == 0:  # struct v4l2_capability
            whole = 0x84A00001  # the camera with all its nodes: capture, metadata
            names = (b"uvcvideo", b"Desk Camera: Desk", b"usb-0000:00:14.0-1")
            struct.pack_into("=16s32s32sIII", answer, 0, *names, 0x60500, whole, self._this_node)
        elif number == 2:  # struct v4l2_fmtdesc
            pixel_format = self._pick([MJPG, YUYV], index)
            struct.pack_into("=I32sI", answer, 8, 1, b"Motion-JPEG", pixel_format)
        elif number == 8:  # struct v4l2_requestbuffers
            if self._busy:
                raise OSError(errno.EBUSY, "Device or resource busy")
        elif number == 74:  # struct v4l2_frmsizeenum
            struct.pack_into("=III", answer, 8, 1, *self._pick(self._sizes[code], index))
        elif number == 75:  # struct v4l2_frmivalenum
            struct.pack_into("=III", answer, 16, 1, *self._pick(self._intervals[code], index))

    @staticmethod
    def _pick(choices: list[Choice], index: int) -> Choice:
        if index >= len(choices):
            raise OSError(errno.EINVAL, "Invalid argument")
        return choices[index]


def test_the_request_numbers_are_the_kernels() -> None:
    # As printed by OpenCV's own debugging log and the kernel's headers.
    assert v4l2.QUERY_CAPABILITY == 0x80685600
    assert v4l2.ENUMERATE_FORMATS == 0xC0405602
    assert v4l2.REQUEST_BUFFERS == 0xC0145608
    assert v4l2.ENUMERATE_FRAME_SIZES == 0xC02C564A
    assert v4l2.ENUMERATE_FRAME_INTERVALS == 0xC034564B


def test_a_cameras_name_and_formats_are_read() -> None:
    camera = UsbCamera()
    assert v4l2.query_capability(camera) == v4l2.Capability("Desk Camera: Desk", True)
    assert v4l2.list_formats(camera) == (
        CameraFormat("MJPG", 640, 480, (30.0, 15.0)),
        CameraFormat("MJPG", 1280, 720, (30.0, 15.0)),
        CameraFormat("YUYV", 640, 480, (7.5,)),
    )


def test_a_metadata_node_is_told_from_the_camera_that_it_belongs_to() -> None:
    assert not v4l2.query_capability(UsbCamera(this_node=0x04A00000)).gives_pictures


def test_a_camera_without_flags_of_its_own_is_judged_by_the_whole() -> None:
    def old_driver(_request: int, answer: bytearray) -> None:
        struct.pack_into("=16s32s32sIII", answer, 0, b"old", b"Old", b"", 0x20000, 0x1, 0)

    assert v4l2.query_capability(old_driver).gives_pictures


def test_a_camera_of_any_size_is_listed_with_its_largest() -> None:
    def stepwise(request: int, answer: bytearray) -> None:
        index = struct.unpack_from("=I", answer)[0]
        if index > 0 or request == v4l2.ENUMERATE_FRAME_INTERVALS:
            raise OSError(errno.EINVAL, "Invalid argument")
        if request == v4l2.ENUMERATE_FORMATS:
            struct.pack_into("=I", answer, 44, YUYV)
        else:
            struct.pack_into("=7I", answer, 8, 3, 16, 3280, 2, 16, 2464, 2)

    assert v4l2.list_formats(stepwise) == (CameraFormat("YUYV", 3280, 2464, ()),)


def test_a_driver_that_never_ends_its_list_does_not_hang_us() -> None:
    def endless(request: int, answer: bytearray) -> None:
        if request == v4l2.ENUMERATE_FRAME_SIZES:
            struct.pack_into("=3I", answer, 8, 1, 640, 480)

    assert len(v4l2.list_formats(endless)) == 100 * 100


@pytest.mark.parametrize("busy", [True, False])
def test_a_camera_that_streams_to_another_program_is_found_busy(busy: bool) -> None:
    assert v4l2.is_streaming_elsewhere(UsbCamera(busy=busy)) == busy


needs_linux = pytest.mark.skipif(not v4l2.is_available(), reason="asks Linux's device files")


@needs_linux
def test_what_is_no_camera_is_reported_with_the_reason(tmp_path: Path) -> None:
    plain = tmp_path / "video0"
    plain.write_bytes(b"")
    expected = {
        Path("/dev/null"): "/dev/null is not a camera.",
        plain: f"{plain} is not the device file of a camera.",
        Path("/dev/video99"): "There is no /dev/video99",
    }
    for node, reason in expected.items():
        report = report_node(node)
        assert report.problem.startswith(reason)
        assert (report.formats, report.agreed, report.measured_rate) == ((), "", 0.0)
        assert f"{node}\n  can't be used: {reason}" in describe_cameras([report])


@needs_linux
@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may open everything")
def test_a_missing_permission_names_the_group_and_the_command() -> None:
    assert "sudo usermod -aG video $USER" in v4l2.explain_node(Path("/dev/kmsg"))


@needs_linux
def test_the_program_that_uses_a_device_is_named(tmp_path: Path) -> None:
    used = tmp_path / "video0"
    with used.open("wb"):
        assert any(f"(process {os.getpid()})" in user for user in v4l2.programs_using(used))
    assert v4l2.programs_using(used) == []


@needs_linux
@pytest.mark.skipif(bool(list(Path("/dev").glob("video*"))), reason="there is a camera here")
def test_without_any_camera_the_list_says_what_to_try() -> None:
    text = describe_cameras(list_cameras())
    assert text.startswith("No camera was found.")
    assert "--source demo" in text


def test_a_working_camera_is_described_with_all_that_is_known() -> None:
    formats = v4l2.list_formats(UsbCamera())
    agreed = "USB camera /dev/video0, 640 x 480 MJPG at 30 frames a second"
    text = describe_cameras([CameraReport("/dev/video0", "Desk Camera", formats, agreed, 14.96)])
    assert text.splitlines()[:5] == [
        "/dev/video0  Desk Camera",
        f"  works: {agreed}; 15.0 a second measured",
        "  use it: --source /dev/video0",
        "  offers MJPG: 640x480 (30, 15 a second), 1280x720 (30, 15 a second)",
        "  offers YUYV: 640x480 (7.5 a second)",
    ]


def test_the_measured_rate_counts_intervals_not_frames() -> None:
    with open_camera("demo:none", CaptureSettings(64, 48, 20)) as camera:
        assert isinstance(camera, LiveCamera)
        assert measure_rate(camera, seconds=0.3) == pytest.approx(20, rel=0.1)
