"""A damaged frame in a video is passed over and told, and does not end it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.tiny_model import write_tiny_model
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.cli import collect, live


def write_damaged_video(path: Path, damaged: tuple[int, ...], count: int = 30) -> Path:
    """Write a video of which some frames are nothing but zeros."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    generator = np.random.default_rng(0)
    for _ in range(count):
        writer.write(generator.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    content = bytearray(path.read_bytes())
    first = content.index(b"movi")
    starts = [at for at in range(first, len(content)) if content.startswith(b"00dc", at)][:count]
    for number in damaged:
        size = int.from_bytes(content[starts[number] + 4 : starts[number] + 8], "little")
        content[starts[number] + 8 : starts[number] + 8 + size] = bytes(size)
    path.write_bytes(content)
    return path


def count_frames(path: Path) -> tuple[int, str]:
    """Read a video to its end; tells what was told of it, too."""
    with open_camera(str(path)) as camera:
        frames = sum(1 for _ in iter(camera.read, None))
        assert camera.status.state == "ended"
        return frames, " ".join(reason for _, reason in camera.skipped)


@pytest.mark.parametrize("damaged", [(9,), (3, 4, 5, 20), (0,)], ids=["one", "several", "first"])
def test_all_frames_that_can_be_decoded_are_given(tmp_path: Path, damaged: tuple[int, ...]) -> None:
    path = write_damaged_video(tmp_path / "clip.avi", damaged)
    frames, told = count_frames(path)
    assert frames == 30 - len(damaged)
    assert told == f"{len(damaged)} of 30 frames could not be decoded"


def test_a_whole_video_has_nothing_to_tell(tmp_path: Path) -> None:
    assert count_frames(write_damaged_video(tmp_path / "clip.avi", ())) == (30, "")


@pytest.mark.parametrize(("name", "decodable"), [("mj_bad.avi", 49), ("bad_h264.mp4", 58)])
def test_videos_that_once_ended_early(shared_cases: Path, name: str, decodable: int) -> None:
    frames, told = count_frames(shared_cases / "damaged_videos" / name)
    assert frames == decodable
    assert "could not be decoded" in told


def test_live_and_collect_say_how_many_frames_were_passed_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_damaged_video(tmp_path / "clip.avi", (9, 12))
    model = tmp_path / "model.onnx"
    write_tiny_model(model)
    live.main([str(model), "--source", str(path), "--no-window"])
    err = capfd.readouterr().err
    assert "28 frames" in err
    assert "2 of 30 frames could not be decoded" in err
    folder = str(tmp_path / "dataset")
    collect.main(["cup", "--source", str(path), "--no-window", "--dataset", folder, "--keep-all"])
    out, err = capfd.readouterr()
    assert "saved 28 of cup" in out
    assert "2 of 30 frames could not be decoded" in err
