"""A video that could not be written whole says so, and what there is of it stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from webcam_classifier.camera.video_file import VideoFile
from webcam_classifier.errors import UserError
from webcam_classifier.frame import Frame

FRAMES = 40


def write_noise(path: Path) -> None:
    generator = np.random.default_rng(0)
    with VideoFile(path, 30.0) as video:
        for index in range(FRAMES):
            image = generator.integers(0, 255, (120, 160, 3), dtype=np.uint8)
            video.write(image, Frame(image, index, index / 30))


def test_a_video_that_was_cut_short_by_a_full_disk_is_an_error(tmp_path: Path) -> None:
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no small disk can be made here: mounting takes root")
    try:
        with pytest.raises(UserError, match=f"cut short: not all of its {FRAMES} frames"):
            write_noise(disk / "labelled.avi")
        video = cv2.VideoCapture(str(disk / "labelled.avi"))
        assert video.read()[0]
        video.release()
        assert [path.name for path in disk.iterdir()] == ["labelled.avi"]
        with pytest.raises(UserError, match="The disk is full"):
            write_noise(disk / "labelled.mp4")
        (disk / "labelled.avi").unlink()
        with pytest.raises(UserError, match="damaged and has been deleted"):
            write_noise(disk / "labelled.mp4")  # its list of frames stands at its end
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ["labelled.avi", "labelled.mp4"])
def test_a_whole_video_is_no_error(tmp_path: Path, name: str) -> None:
    write_noise(tmp_path / name)
    assert cv2.VideoCapture(str(tmp_path / name)).get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
