from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue

import cv2
import numpy as np
import pytest

from tests.mjpeg_server import PERIOD, serve_mjpeg
from webcam_classifier.camera.demo import hold_pose_while
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.opencv_capture import four_characters, has_gstreamer
from webcam_classifier.camera.protocol import Camera, CameraError, CaptureSettings
from webcam_classifier.camera.scene import FRAMES_PER_POSE, LABELS, draw_scene
from webcam_classifier.camera.stream import csi_pipeline
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.cli.source_arguments import add_source_arguments, capture_settings
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.frame import BgrImage, Frame


def read_all(camera: Camera) -> list[Frame]:
    frames = []
    while (frame := camera.read()) is not None:
        frames.append(frame)
    return frames


def write_video(path: Path, frame_count: int, size: tuple[int, int] = (64, 48)) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, size)
    for number in range(frame_count):
        writer.write(np.full((size[1], size[0], 3), 10 * number % 256, np.uint8))
    writer.release()
    return path


def write_picture(path: Path, brightness: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((24, 32, 3), brightness, np.uint8))
    return path


def brightness(frame: Frame | None) -> float:
    assert frame is not None
    return float(frame.image.mean())


# Files


def test_a_video_gives_every_frame_in_order(tmp_path: Path) -> None:
    with open_camera(str(write_video(tmp_path / "clip.avi", 20))) as camera:
        frames = read_all(camera)
        assert camera.frame_count == 20
        assert camera.description == f"{tmp_path}/clip.avi, 64 x 48, 20 frames"
        assert (camera.is_live, camera.is_device) == (False, False)
    assert [frame.index for frame in frames] == list(range(20))
    assert [round(brightness(frame) / 10) for frame in frames] == list(range(20))
    assert frames[0].captured_at <= frames[-1].captured_at <= time.monotonic()


def test_a_video_that_was_read_to_its_end_goes_on_saying_so(tmp_path: Path) -> None:
    with open_camera(str(write_video(tmp_path / "clip.avi", 2))) as camera:
        read_all(camera)
        assert camera.read() is None
    camera.close()
    assert camera.read() is None


def test_frames_that_were_read_are_not_overwritten_by_later_ones(tmp_path: Path) -> None:
    with open_camera(str(write_video(tmp_path / "clip.avi", 5))) as camera:
        first = camera.read()
        read_all(camera)
    assert brightness(first) < 5


@pytest.mark.parametrize("name", ["a:b.avi", "http:clip.avi", "frame_%03d.avi", "12"])
def test_an_odd_file_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / "clip.avi", 3).rename(tmp_path / name)
    with open_camera(f"{tmp_path}/{name}") as camera:
        assert len(read_all(camera)) == 3


def test_a_cut_off_video_gives_what_is_left_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (160, 120))
    random = np.random.default_rng(0)
    for _ in range(30):
        writer.write(random.integers(0, 256, (120, 160, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_camera(str(path)) as camera:
        assert 10 <= len(read_all(camera)) < 20


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty file"),
        (b"RIFF", "neither a picture nor a video"),
        (os.urandom(5000), "neither a picture nor a video"),
        (b"plain text, which FFmpeg would draw as a terminal\n" * 50, "neither a picture nor"),
    ],
    ids=["empty", "four bytes", "noise", "text"],
)
def test_what_is_no_video_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    for name in ("clip.mp4", "notes1.txt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CameraError, match=expected):
            open_camera(str(tmp_path / name))


def test_a_video_without_a_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"nothing\.avi has no frame in it"):
        open_camera(str(write_video(tmp_path / "nothing.avi", 0)))


# Pictures


def test_one_picture_is_a_stream_of_one_frame_read_as_training_reads_it(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "photo.JPG", 90)
    with open_camera(str(path)) as camera:
        frames = read_all(camera)
        assert camera.description == f"{path}, 32 x 24, one picture"
    assert [frame.name for frame in frames] == [str(path)]
    np.testing.assert_array_equal(frames[0].image, read_picture(path))


def test_a_damaged_picture_is_refused_by_name(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "photo.png", 90)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(CameraError, match=r"photo\.png: damaged or cut off"):
        open_camera(str(path))


def test_a_folder_gives_its_pictures_by_name_and_lists_what_it_skipped(tmp_path: Path) -> None:
    write_picture(tmp_path / "b.jpg", 20)
    write_picture(tmp_path / "a.png", 10)
    write_picture(tmp_path / "deeper" / "c.bmp", 30)
    write_picture(tmp_path / ".hidden.png", 200)
    write_picture(tmp_path / ".cache" / "d.png", 200)
    (tmp_path / "b2.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("foreign")
    with open_camera(str(tmp_path)) as camera:
        frames = read_all(camera)
        assert camera.frame_count == 4
        assert dict(camera.skipped).keys() == {tmp_path / "b2.jpg", tmp_path / "notes.txt"}
        assert "not a JPEG" in dict(camera.skipped)[tmp_path / "b2.jpg"]
        assert camera.description == f"{tmp_path}, 4 pictures"
    assert [Path(frame.name).name for frame in frames] == ["a.png", "b.jpg", "c.bmp"]
    assert [round(brightness(frame)) for frame in frames] == [10, 20, 30]
    assert [frame.index for frame in frames] == [0, 1, 2]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("foreign")
    with pytest.raises(CameraError, match="no picture in the folder"):
        open_camera(str(tmp_path))


def test_a_folder_of_nothing_but_broken_pictures_ends_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with open_camera(str(tmp_path)) as camera, pytest.raises(CameraError, match="None of the 1"):
        camera.read()


# Streams


def test_a_quick_reader_misses_next_to_nothing_of_a_stream_until_it_is_given_up() -> None:
    settings = CaptureSettings(give_up_after=1.0)
    frames: list[Frame] = []
    with serve_mjpeg(25) as url, open_camera(url, settings) as camera:
        assert (camera.is_live, camera.is_device, camera.frame_count) == (True, False, None)
        assert camera.description == f"{url}, 64 x 48"
        with pytest.raises(CameraError, match="given no picture for 1 seconds"):
            frames.extend(iter(camera.read, None))
        assert camera.status.state == "ended"
    # FFmpeg looks at the first frames before it opens, and a busy machine may miss one or two.
    assert len(frames) >= 17
    assert frames[-1].index == 24
    assert [round(brightness(frame) / 4) for frame in frames] == [frame.index for frame in frames]


def test_a_slow_reader_gets_young_frames_and_a_count_of_the_dropped() -> None:
    frames, ages = [], []
    with serve_mjpeg(50) as url, open_camera(url) as camera:
        for _ in range(6):
            frame = camera.read()
            assert frame is not None
            ages.append(time.monotonic() - frame.captured_at)
            frames.append(frame)
            time.sleep(4 * PERIOD)
    steps = np.diff([frame.index for frame in frames])
    assert np.median(steps) >= 3  # frames were dropped, and the gap says how many
    # The newest one came a while before, or was waited for.
    assert sorted(ages)[len(ages) // 2] < 1.5 * PERIOD
    # The n-th frame is as bright as 4 n: the index counts what the source sent, not what was read.
    assert [round(brightness(frame) / 4) for frame in frames] == [frame.index for frame in frames]


def test_closing_wakes_a_reader_that_waits() -> None:
    results: list[Frame | None] = []
    with serve_mjpeg(4, then_silent_for=30) as url:
        camera = open_camera(url)
        reader = threading.Thread(target=lambda: results.extend([*read_all(camera), None]))
        reader.start()
        time.sleep(12 * PERIOD)
        started = time.monotonic()
        camera.close()
        reader.join(5)
        assert not reader.is_alive()
        assert time.monotonic() - started < 4
        assert results[-1] is None
        camera.close()


def test_a_network_camera_that_does_not_answer_is_explained() -> None:
    with socket.socket() as unused:  # bound but not listening: nobody answers there
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(CameraError, match="No video comes from") as caught:
            open_camera(f"http://someone:secret@127.0.0.1:{port}/video")
    assert "secret" not in str(caught.value)


def test_opencv_and_ffmpeg_add_nothing_to_the_sentence(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(os.urandom(5000))
    program = """
import sys, cv2
from webcam_classifier.camera.open_camera import CameraError, open_camera
before = cv2.utils.logging.getLogLevel()
for source in sys.argv[1:]:
    try:
        open_camera(source)
    except CameraError as error:
        print(error)
assert cv2.utils.logging.getLogLevel() == before
"""
    # A process of its own: FFmpeg takes its level from the environment once.
    sources = [str(tmp_path / "clip.mp4"), "http://127.0.0.1:9/video", "/dev/null"]
    done = subprocess.run(
        [sys.executable, "-c", program, *sources], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3


# The thread of a live camera, driven by sources that stand for what a device may do


class CountingSource:
    """Gives a frame every 5 ms and remembers which were decoded."""

    def __init__(self, grab: Callable[[int], bool]) -> None:
        self._grab = grab
        self.grabbed = 0
        self.decoded: list[int] = []
        self.released_by = ""

    def grab(self) -> bool:
        time.sleep(0.005)
        self.grabbed += 1
        return self._grab(self.grabbed - 1)

    def retrieve(self) -> BgrImage | None:
        self.decoded.append(self.grabbed - 1)
        return np.full((4, 4, 3), self.grabbed - 1, np.uint8)

    def describe(self, first: BgrImage) -> str:
        return f"test source of {first.shape}"

    def release(self) -> None:
        self.released_by = threading.current_thread().name


def test_frames_that_nobody_reads_are_not_decoded() -> None:
    source = CountingSource(lambda _number: True)
    with LiveCamera(source) as camera:
        wait_until(lambda: source.grabbed > 20)
        frame = camera.read()
        assert frame is not None
    assert source.decoded[:2] == [0, frame.index]
    assert len(source.decoded) <= 5  # the reader may come again soon
    assert source.released_by == "camera"


class SteppedSource(CountingSource):
    """Gives a frame whenever the test says so, and ends when it says that."""

    def __init__(self) -> None:
        super().__init__(lambda _number: self._next.get(timeout=10))
        self._next: Queue[bool] = Queue()
        self.step()

    def step(self) -> None:
        """Let one more frame come."""
        self._next.put(True)

    def end(self) -> None:
        self._next.put(False)

    def decoded_within(self, number: int, seconds: float) -> bool:
        """Wait for a frame to be decoded."""
        until = time.monotonic() + seconds
        while number not in self.decoded and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(0.01)  # for it to be handed over
        return number in self.decoded


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.01)


def index_of(frame: Frame | None) -> int:
    assert frame is not None
    return frame.index


def read_at_pace(camera: Camera, source: SteppedSource, period: float) -> int:
    """Read a few frames that come at a pace, and give the last one's index."""
    for _ in range(4):
        threading.Timer(period, source.step).start()
        last = index_of(camera.read())
    return last


def test_a_frame_that_came_while_the_reader_was_away_is_given_at_once_and_once() -> None:
    source = SteppedSource()
    with LiveCamera(source) as camera:
        first = read_at_pace(camera, source, 0.5)
        source.step()
        assert source.decoded_within(first + 1, 2)
        started = time.monotonic()
        second = camera.read()
        assert index_of(second) == first + 1
        assert time.monotonic() - started < 0.2
        assert second is not None
        assert started - 1.0 < second.captured_at < started
        threading.Timer(0.2, source.step).start()
        assert index_of(camera.read()) == first + 2
        source.end()


def test_the_newest_of_the_frames_that_came_meanwhile_is_given() -> None:
    source = SteppedSource()
    with LiveCamera(source, patience=2) as camera:
        first = read_at_pace(camera, source, 0.5)
        for number in (1, 2):
            source.step()
            assert source.decoded_within(first + number, 2)
        assert index_of(camera.read()) == first + 2
        source.end()


def test_an_old_frame_is_passed_over_for_the_next_one() -> None:
    source = SteppedSource()
    with LiveCamera(source, patience=5) as camera:
        first = read_at_pace(camera, source, 0.1)
        source.step()
        assert source.decoded_within(first + 1, 2)
        time.sleep(0.6)  # six periods
        later = threading.Timer(0.2, source.step)
        later.start()
        frame = camera.read()
        assert index_of(frame) == first + 2
        assert frame is not None
        assert time.monotonic() - frame.captured_at < 0.15
        source.end()


def test_the_last_frame_of_a_stream_is_given_however_old_it_is() -> None:
    source = SteppedSource()
    with LiveCamera(source, patience=5) as camera:
        first = read_at_pace(camera, source, 0.05)
        source.step()
        assert source.decoded_within(first + 1, 2)
        source.end()
        time.sleep(0.5)
        assert [frame.index for frame in read_all(camera)] == [first + 1]


def test_a_reader_a_little_slower_than_the_camera_gets_more_than_every_other_frame() -> None:
    due = [time.monotonic()]

    def grab(_number: int) -> bool:
        due[0] = max(due[0] + 0.04, time.monotonic())
        time.sleep(max(0.0, due[0] - time.monotonic()))
        return True

    with LiveCamera(CountingSource(grab)) as camera:
        read = []
        for _ in range(25):
            read.append(index_of(camera.read()))
            time.sleep(0.044)
    steps = np.diff(read)
    assert steps.min() >= 1
    assert steps.mean() < 1.6  # 1.1 where nothing else runs; waiting for the next one makes it 2


def test_a_reader_that_pauses_has_hardly_anything_decoded() -> None:
    source = CountingSource(lambda _number: True)
    with LiveCamera(source) as camera:
        for _ in range(10):
            camera.read()
        before = len(source.decoded)
        time.sleep(0.5)
        assert source.grabbed > 40
        assert len(source.decoded) - before < 15


def test_an_unplugged_camera_is_reported_to_its_reader() -> None:
    def grab(number: int) -> bool:
        if number == 3:
            raise CameraError("It was unplugged.")
        return True

    with LiveCamera(CountingSource(grab)) as camera, pytest.raises(CameraError, match="unplugged"):
        read_all(camera)


def test_an_unforeseen_error_in_the_thread_reaches_the_reader() -> None:
    def grab(number: int) -> bool:
        return 1 // (3 - number) >= 0

    with LiveCamera(CountingSource(grab)) as camera:
        with pytest.raises(CameraError, match=r"broke: integer division") as caught:
            read_all(camera)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_stalled_camera_says_so_and_goes_on() -> None:
    goes_on = threading.Event()

    def grab(number: int) -> bool:
        return number != 3 or goes_on.wait(30)

    with LiveCamera(CountingSource(grab)) as camera:
        reader = threading.Thread(target=lambda: read_all(camera))
        reader.start()
        wait_until(lambda: camera.status.state == "stalled")
        assert camera.status.is_stale
        assert camera.status.seconds_without_picture(time.monotonic()) > 1
        goes_on.set()
        wait_until(lambda: camera.status.state == "live")
        camera.close()
        reader.join(5)
        assert not reader.is_alive()
        assert camera.status.state == "ended"


def test_a_camera_that_gives_nothing_at_all_does_not_open() -> None:
    silent = threading.Event()
    source = CountingSource(lambda _number: silent.wait(10))
    with pytest.raises(CameraError, match="No picture has come"):
        LiveCamera(source, patience=0.1)
    silent.set()
    with pytest.raises(CameraError, match="ended before its first frame"):
        LiveCamera(CountingSource(lambda _number: False))


# Devices and pipelines


@pytest.mark.skipif(bool(list(Path("/dev").glob("video*"))), reason="there is a camera here")
@pytest.mark.parametrize("source", ["0", "/dev/video0", "/dev/null"])
def test_without_a_camera_the_cause_and_the_listing_command_are_told(
    source: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CameraError, match=r"python collect\.py --list-cameras") as caught:
        open_camera(source)
    node = source if source.startswith("/") else f"/dev/video{source}"
    cause = "is not a camera" if source == "/dev/null" else f"There is no {node}"
    assert cause in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(has_gstreamer(), reason="this OpenCV has GStreamer")
@pytest.mark.parametrize("source", ["csi://0", "videotestsrc ! videoconvert ! appsink"])
def test_without_gstreamer_its_sources_say_so(source: str) -> None:
    with pytest.raises(CameraError, match="needs GStreamer"):
        open_camera(source)


def test_a_pipeline_without_an_appsink_is_refused() -> None:
    with pytest.raises(CameraError, match="does not end in an appsink"):
        open_camera("appsink name=x ! fakesink")


def test_the_ribbon_camera_pipeline_asks_for_size_and_rate_and_drops_old_frames() -> None:
    pipeline = csi_pipeline(1, CaptureSettings(1280, 720, 60))
    for part in ("sensor-id=1", "width=1280,height=720", "framerate=60/1", "drop=true"):
        assert part in pipeline


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("clip_that_is_not_there.mp4", "There is no file or folder clip_that_is_not_there.mp4"),
        ("pictures/none", "There is no file or folder pictures/none"),
        ("somewhere", "'somewhere' is not a source of pictures"),
        ("ftp://somewhere", "is not a source of pictures"),
        ("", "'' is not a source of pictures"),
        ("csi://front", "names no sensor"),
        ("demo:wave", "POSE is one of thumbs_up"),
        ("demo:all:x", "is not a simulated camera"),
        ("demo:all:1:2", "is not a simulated camera"),
    ],
)
def test_what_is_no_source_is_explained(source: str, expected: str) -> None:
    with pytest.raises(CameraError, match=expected):
        open_camera(source)


def test_a_pipe_is_not_said_to_be_missing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(CameraError, match="neither a file nor a folder"):
        open_camera(str(tmp_path / "pipe.mp4"))


def test_the_four_characters_of_a_format_are_spelt_out() -> None:
    assert four_characters(cv2.VideoWriter.fourcc(*"MJPG")) == "MJPG"
    assert [four_characters(code) for code in (-1.0, 0.0, 1e30)] == ["", "", ""]


# The simulated camera


def test_the_simulated_camera_keeps_its_pace_and_says_what_it_is() -> None:
    with open_camera("demo:thumbs_up:7", CaptureSettings(160, 120, 50)) as camera:
        assert (camera.is_live, camera.is_device) == (True, False)
        assert camera.description == (
            "simulated camera (a drawn hand, not a real one), seed 7, "
            "160 x 120 at 50 frames a second"
        )
        first = camera.read()
        time.sleep(0.5)
        last = camera.read()
    assert first is not None
    assert last is not None
    rate = (last.index - first.index) / (last.captured_at - first.captured_at)
    assert rate == pytest.approx(50, rel=0.15)


def test_the_simulated_cameras_picture_is_the_scene_of_its_index_with_a_caption() -> None:
    with open_camera("demo::7", CaptureSettings(320, 240, 60)) as camera:
        frame = camera.read()
    assert frame is not None
    scene = draw_scene("all", 7, frame.index, 320, 240)
    differs = (frame.image != scene).any(axis=2)
    rows, columns = np.nonzero(differs)
    assert rows.max() < 50  # only the caption, on the right below the top
    assert 160 < columns.min() < 240


def test_the_simulated_camera_keeps_its_pose_while_it_is_held_and_then_goes_on() -> None:
    is_held = True
    with open_camera("demo::7", CaptureSettings(160, 120, 240)) as camera:
        hold_pose_while(camera, lambda: is_held)
        began, _ = shown_next(camera)  # perhaps from before
        held = set[str]()
        seen = began
        while seen < began + 3 * FRAMES_PER_POSE:
            seen, label = shown_next(camera)
            held.add(label)
        assert len(held) == 1
        is_held = False
        shown = set[str]()
        while len(shown) < len(LABELS):
            now, label = shown_next(camera)
            shown.add(label)
            assert now < seen + 10_000, "the poses do not go on"


def shown_next(camera: Camera) -> tuple[int, str]:
    """Read a frame of seed 7, and give its index and the label that it shows."""
    frame = camera.read()
    assert frame is not None
    below_caption, number = frame.image[40:].astype(int), frame.index

    def difference(label: str) -> float:
        return float(np.abs(draw_scene(label, 7, number, 160, 120)[40:] - below_caption).mean())

    return number, min(LABELS, key=difference)


def test_the_caption_is_the_same_for_every_label() -> None:
    captions = []
    for pose in ("thumbs_up", "none"):
        with open_camera(f"demo:{pose}:1", CaptureSettings(320, 240, 60)) as camera:
            frame = camera.read()
        assert frame is not None
        captions.append(frame.image[21:36, 240:] > 200)  # the letters, lighter than their plate
    assert captions[0].any()
    np.testing.assert_array_equal(captions[0], captions[1])


# Arguments


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_source_arguments(parser)
    return parser.parse_args(arguments)


def test_the_arguments_become_settings() -> None:
    assert parse().source == "0"
    assert capture_settings(parse()) == CaptureSettings(640, 480, 30.0)
    given = parse("--source", "demo", "--camera-size", "1280x720", "--camera-rate", "59.94")
    assert capture_settings(given) == CaptureSettings(1280, 720, 59.94)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--camera-size", "640"),
        ("--camera-size", "640x-1"),
        ("--camera-size", "9x9"),
        ("--camera-size", "99999x480"),
        ("--camera-rate", "fast"),
        ("--camera-rate", "0"),
        ("--camera-rate", "nan"),
    ],
)
def test_impossible_settings_are_refused(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(*arguments)
    assert repr(arguments[1]) in capsys.readouterr().err


def test_the_help_lists_every_kind_of_source(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--help")
    text = capsys.readouterr().out
    for example in ("/dev/video0", ".mp4", "pictures/", ".jpg", "http://", "csi://0", "demo:", "!"):
        assert example in text
