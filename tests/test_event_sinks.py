from __future__ import annotations

import hashlib
import hmac
import json
import os
import pty
import subprocess
import sys
import threading
import time
import tty
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import pytest

from tests.labelled_frames import an_event, labelled_frame
from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.errors import UserError
from webcam_classifier.events.clips import Clips
from webcam_classifier.events.event import Event
from webcam_classifier.events.event_stream import EventStream
from webcam_classifier.events.json_lines import KEPT_FILES, JsonLines
from webcam_classifier.events.prometheus import PrometheusSink, parse_address
from webcam_classifier.events.run_command import CommandSink
from webcam_classifier.events.serial_port import SerialPort
from webcam_classifier.events.sink import DeliveryError, QueuedSink, QueueSettings, Sink
from webcam_classifier.events.webhook import ID_HEADER, SIGNATURE_HEADER, Webhook, signature
from webcam_classifier.model_card import NO_PICTURE


def wait_until(is_so: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


# The queue


class Gate(QueuedSink[int]):
    """Delivers once it is opened, and fails as often as it is told."""

    def __init__(self, settings: QueueSettings, failures: int = 0, may_retry: bool = True) -> None:
        self.said: list[str] = []
        self.done: list[int] = []
        self.gate = threading.Event()
        self._failures = failures
        self._may_retry = may_retry
        super().__init__("gate", self.said.append, settings)

    def deliver(self, item: int) -> None:
        self.gate.wait()
        if self._failures:
            self._failures -= 1
            raise DeliveryError("gate: closed", may_retry=self._may_retry)
        self.done.append(item)


def test_a_sink_that_hangs_delays_nobody_and_drops_the_oldest() -> None:
    sink = Gate(QueueSettings(limit=5, drain_seconds=0.05))
    sink.offer(0)
    wait_until(lambda: sink.counts.pending == 1 and not sink._queue)
    started_at = time.monotonic()
    for number in range(1, 101):
        sink.offer(number)
    assert time.monotonic() - started_at < 1
    assert sink.counts.dropped == 95
    assert sink.counts.pending == 6
    sink.gate.set()
    wait_until(lambda: sink.counts.delivered == 6)
    assert sink.done == [0, 96, 97, 98, 99, 100]
    sink.close()


def test_a_sink_that_still_hangs_at_the_end_is_left_and_counted() -> None:
    sink = Gate(QueueSettings(drain_seconds=0.05))
    for number in range(3):
        sink.offer(number)
    started_at = time.monotonic()
    sink.close()
    assert time.monotonic() - started_at < 3
    assert sink.said == ["gate: 3 not delivered before the end"]
    sink.gate.set()


def test_what_fails_is_tried_again_and_said_once() -> None:
    sink = Gate(QueueSettings(tries=None, first_pause=0.001), failures=3)
    sink.gate.set()
    sink.offer(1)
    sink.offer(2)
    wait_until(lambda: sink.counts.delivered == 2)
    assert sink.counts.retried == 3
    assert sink.said == ["gate: closed"]
    sink.close()


@pytest.mark.parametrize("may_retry", [True, False])
def test_what_fails_too_often_or_for_good_is_dropped(may_retry: bool) -> None:
    sink = Gate(QueueSettings(tries=2, first_pause=0.001), 2 if may_retry else 1, may_retry)
    sink.gate.set()
    sink.offer(1)
    sink.offer(2)
    wait_until(lambda: sink.counts.dropped == 1 and sink.counts.delivered == 1)
    assert sink.done == [2]
    sink.close()


# JSON lines


def test_events_alone_are_written_and_full_files_are_rotated(tmp_path: Path) -> None:
    place = tmp_path / "events.jsonl"
    with JsonLines(str(place), print, events_only=True, size_limit=2000) as sink:
        for number in range(100):
            sink.take_frame(labelled_frame(number))
            sink.take_event(an_event(number))
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == [
        "events.jsonl", *(f"events.jsonl.{number}" for number in range(1, KEPT_FILES + 1)),
    ]  # fmt: skip
    assert all(path.stat().st_size <= 2000 for path in files)
    in_order = [*reversed(files[1:]), files[0]]
    numbers = [
        json.loads(line)["number"] for path in in_order for line in path.read_text().splitlines()
    ]
    assert numbers == list(range(numbers[0], 100))
    assert len(numbers) > 25


def test_a_pipe_is_not_rotated(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with JsonLines(str(pipe), print, events_only=True, size_limit=1) as sink:
            for number in range(3):
                sink.take_event(an_event(number))
        assert len(os.read(reader, 10_000).splitlines()) == 3
    finally:
        os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_line_of_a_frame_has_its_own_label_and_the_steady_one(tmp_path: Path) -> None:
    place = tmp_path / "frames.jsonl"
    with JsonLines(str(place), print) as sink:
        sink.take_frame(labelled_frame(0, "hand"))
        sink.take_event(an_event())
    (line,) = [json.loads(text) for text in place.read_text().splitlines()]
    assert (line["label"], line["steady_label"]) == ("hand", "hand")


# Commands

WRITE_DOWN = f'{sys.executable} -c \'import os, sys; open(sys.argv[1], "a").write(os.environ["WEBCAM_CLASSIFIER_LABEL"] + sys.stdin.read() + chr(10))\''  # noqa: E501  one command line


def test_a_command_gets_the_event_in_its_environment_and_on_its_input(tmp_path: Path) -> None:
    written, said = tmp_path / "written", list[str]()
    hostile = "cup; touch $(echo hacked) `id` 'x'"
    with CommandSink(f"{WRITE_DOWN} {written}", said.append) as sink:
        sink.take_event(an_event(0, hostile))
        sink.take_event(an_event(1, "hand"))
        wait_until(lambda: sink.counts.pending == 0)
    first, second = written.read_text().splitlines()
    assert first.startswith(hostile)
    assert json.loads(first.removeprefix(hostile))["label"] == hostile
    assert json.loads(second.removeprefix("hand"))["id"] == "run-000001"
    assert sink.counts.delivered == 2
    assert said == []


def test_a_command_for_one_label_runs_for_no_other(tmp_path: Path) -> None:
    written = tmp_path / "written"
    with CommandSink(f"{WRITE_DOWN} {written}", print, label="hand") as sink:
        for number, label in enumerate(["cup", "hand", "none"]):
            sink.take_event(an_event(number, label))
        wait_until(lambda: sink.counts.pending == 0)
    assert written.read_text().startswith("hand")
    assert sink.counts.delivered == 1


def test_a_shell_reads_the_command_only_where_it_is_asked_to(tmp_path: Path) -> None:
    for shell in (False, True):
        with CommandSink(f"echo $PPID > {tmp_path}/{shell}", print, shell=shell) as sink:
            sink.take_event(an_event())
            wait_until(lambda sink=sink: sink.counts.pending == 0)  # type: ignore[misc]
    assert [path.name for path in tmp_path.iterdir()] == ["True"]


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    said: list[str] = []
    command = f"sh -c 'sleep 600 & echo $! > {tmp_path}/child; wait'"
    with CommandSink(command, said.append, time_limit=1.0) as sink:
        sink.take_event(an_event())
        wait_until(lambda: sink.counts.dropped == 1)
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: is_gone(child))
    assert "longer than 1 s" in said[0]


def test_at_the_end_of_the_program_no_command_goes_on(tmp_path: Path) -> None:
    place = tmp_path / "child"
    command = f"sh -c 'sleep 600 & echo $! > {place}; wait'"
    with CommandSink(command, print, time_limit=600) as sink:
        sink.take_event(an_event())
        wait_until(lambda: place.is_file() and place.read_text())
        sink._settings = QueueSettings(drain_seconds=0.1)
    wait_until(lambda: is_gone(int(place.read_text())))


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process}/stat").read_text().split(") ")[1].startswith("Z")


def test_a_command_that_does_not_exist_is_one_sentence_at_the_start_and_one_later() -> None:
    said: list[str] = []
    with CommandSink("no-such-command --now", said.append) as sink:
        for number in range(3):
            sink.take_event(an_event(number))
        wait_until(lambda: sink.counts.dropped == 3)
    assert len(said) == 2
    assert "no command no-such-command" in said[0]


@pytest.mark.parametrize("command", ["", "say 'hello"])
def test_a_command_that_can_not_be_read_is_refused(command: str) -> None:
    with pytest.raises(UserError):
        CommandSink(command, print)


@pytest.mark.parametrize(
    ("command", "is_for_shell"),
    [
        ("echo $WEBCAM_CLASSIFIER_LABEL", True),
        ("echo ${WEBCAM_CLASSIFIER_LABEL}", True),
        ("true && echo", True),
        ("sh -c 'echo $WEBCAM_CLASSIFIER_LABEL'", False),
        ("bash -lc 'true && echo'", False),
        ("echo $5 a&b", False),
    ],
)
def test_a_command_that_is_written_for_a_shell_is_told_how_to_get_one(
    command: str, is_for_shell: bool
) -> None:
    said: list[str] = []
    with CommandSink(command, said.append):
        pass
    assert said == (
        [f"--on-change: {command!r} is written for a shell, and runs without one. Add --shell."]
        if is_for_shell
        else []
    )
    said.clear()
    with CommandSink(command, said.append, shell=True):
        pass
    assert said == []


# Webhooks


class Receiver:
    """A web server that answers with what it is told, and keeps what it gets."""

    def __init__(self, answers: Sequence[int]) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._answers = list(answers)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                code = receiver._answers.pop(0) if receiver._answers else 200
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    receiver = Receiver(getattr(request, "param", ()))
    yield receiver
    receiver.close()


def test_an_event_is_posted_and_signed(receiver: Receiver) -> None:
    address = f"http://me:se%40cret@127.0.0.1:{receiver.port}/hook?a=b"
    with Webhook(address, print, secret="quiet") as sink:
        sink.take_event(an_event(7, with_image=True))
        wait_until(lambda: sink.counts.delivered == 1)
    headers, body = receiver.got[0]
    expected = hmac.new(b"quiet", body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE_HEADER] == f"sha256={expected}" == signature("quiet", body)
    assert headers[ID_HEADER] == json.loads(body)["id"] == "run-000007"
    assert headers["Authorization"] == "Basic bWU6c2VAY3JldA=="  # me:se@cret
    assert "jpeg" in json.loads(body)
    assert "cret" not in sink.name


@pytest.mark.parametrize("receiver", [[503, 429, 500]], indirect=True)
def test_a_server_in_trouble_is_asked_again_and_gets_all_in_order(receiver: Receiver) -> None:
    said: list[str] = []
    with Webhook(f"http://127.0.0.1:{receiver.port}", said.append, first_pause=0.01) as sink:
        for number in range(3):
            sink.take_event(an_event(number))
        wait_until(lambda: sink.counts.delivered == 3)
    numbers = [json.loads(body)["number"] for _, body in receiver.got]
    assert numbers == [0, 0, 0, 0, 1, 2]
    assert sink.counts.retried == 3
    assert SIGNATURE_HEADER not in receiver.got[0][0]


@pytest.mark.parametrize("receiver", [[404, 302]], indirect=True)
def test_a_server_that_refuses_is_not_asked_again(receiver: Receiver) -> None:
    said: list[str] = []
    with Webhook(f"http://127.0.0.1:{receiver.port}", said.append) as sink:
        for number in range(3):
            sink.take_event(an_event(number))
        wait_until(lambda: sink.counts.pending == 0)
    assert (sink.counts.delivered, sink.counts.dropped) == (1, 2)
    assert "404" in said[0]
    assert "302" in said[1]


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    said: list[str] = []
    with Webhook("http://me:secret@127.0.0.1:1/x", said.append, first_pause=0.001) as sink:
        sink.take_event(an_event())
        wait_until(lambda: sink.counts.dropped == 1)
    assert len(said) == 1
    assert "127.0.0.1:1" in said[0]
    assert "secret" not in said[0]


@pytest.mark.parametrize(
    "url", ["htps://host/x", "host/x", "http://", "http://[::1/x", "http://a:b"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="--webhook"):
        Webhook(url, print)


# The serial port


def test_a_serial_port_gets_a_line_for_each_event() -> None:
    controller, device = pty.openpty()
    try:
        with SerialPort(os.ttyname(device), print) as sink:
            sink.take_event(an_event(0, "thumbs up"))
            sink.take_event(an_event(1, "unknown"))
            wait_until(lambda: sink.counts.delivered == 2)
        assert os.read(controller, 1000).replace(b"\r\n", b"\n") == (
            b"thumbs up\t0.90\nunknown\t0.90\n"
        )
    finally:
        os.close(controller)
        os.close(device)


def test_a_serial_port_that_comes_later_is_opened_then(tmp_path: Path) -> None:
    said: list[str] = []
    place = tmp_path / "ttyUSB0"
    controller, device = pty.openpty()
    try:
        with SerialPort(str(place), said.append) as sink:
            sink.take_event(an_event())
            wait_until(lambda: said)
            place.symlink_to(os.ttyname(device))
            wait_until(lambda: sink.counts.delivered == 1)
        assert len(said) == 1
        assert "ttyUSB0" in said[0]
    finally:
        os.close(controller)
        os.close(device)


def test_a_serial_port_that_comes_back_gets_the_newest_label_alone(tmp_path: Path) -> None:
    said: list[str] = []
    place = tmp_path / "ttyUSB0"
    controller, device = pty.openpty()
    try:
        with SerialPort(str(place), said.append) as sink:
            sink.take_event(an_event(0, "open"))
            wait_until(lambda: said)
            sink.take_event(an_event(1, "closed"))
            sink.take_event(an_event(2, "open"))
            sink.take_event(an_event(3, "closed"))
            place.symlink_to(os.ttyname(device))
            wait_until(lambda: sink.counts.delivered == 1)
            assert sink.counts.dropped == 3
        assert os.read(controller, 1000).replace(b"\r\n", b"\n") == b"closed\t0.90\n"
        assert len(said) == 1
    finally:
        os.close(controller)
        os.close(device)


def test_a_serial_line_that_broke_off_is_not_joined_with_the_next() -> None:
    controller, device = pty.openpty()
    tty.setraw(device)
    label = "x" * 100_000  # more than the device's buffer takes
    try:
        with SerialPort(os.ttyname(device), print) as sink:
            sink.take_event(an_event(0, label))
            wait_until(lambda: sink.counts.retried)
            received = b""
            while not received.endswith(b"\t0.90\n"):
                received += os.read(controller, 100_000)
        assert received.splitlines()[-1] == f"{label}\t0.90".encode()
    finally:
        os.close(controller)
        os.close(device)


def test_control_characters_of_a_label_do_not_reach_a_serial_port() -> None:
    controller, device = pty.openpty()
    tty.setraw(device)
    try:
        with SerialPort(os.ttyname(device), print) as sink:
            sink.take_event(an_event(0, "cup\rhand\x1b[2J\tx\ud800"))
            wait_until(lambda: sink.counts.delivered == 1)
        assert os.read(controller, 1000) == b"cup hand [2J x?\t0.90\n"
    finally:
        os.close(controller)
        os.close(device)


@pytest.mark.parametrize("port", ["@9600", "/dev/ttyUSB0@fast", "/dev/ttyUSB0@0"])
def test_a_serial_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(UserError, match="--serial"):
        SerialPort(port, print)


# Clips


def give_frames(sink: Sink, first: int, count: int, rate: int = 20) -> None:
    """Give frames of a made-up time, as fast as they are taken."""
    for index in range(first, first + count):
        sink.take_frame(labelled_frame(index, captured_at=1000 + index / rate, size=(120, 160)))
        wait_until(lambda: sink.counts.pending < 20)


def change(sink: Sink, number: int, index: int, rate: int = 20) -> None:
    event = an_event(number)
    at = 1000 + index / rate
    sink.take_event(Event(**{**vars(event), "monotonic": at}))


def test_a_clip_has_the_seconds_before_and_after_the_event(tmp_path: Path) -> None:
    with Clips(tmp_path, print, seconds=1.0) as sink:
        give_frames(sink, 0, 60)
        change(sink, 3, 59)
        give_frames(sink, 60, 40)
        wait_until(lambda: sink.counts.pending == 0)
    (clip,) = tmp_path.glob("*.mp4")
    assert clip.name.endswith("-cup-run-000003.mp4")
    frames, rate = video_facts(clip)
    assert rate == pytest.approx(20, rel=0.1)
    assert frames == pytest.approx(41, abs=2)


def test_events_that_follow_one_another_share_a_clip(tmp_path: Path) -> None:
    with Clips(tmp_path, print, seconds=1.0) as sink:
        give_frames(sink, 0, 40)
        change(sink, 0, 40)
        give_frames(sink, 40, 10)
        change(sink, 1, 50)
        give_frames(sink, 50, 30)
    (clip,) = tmp_path.glob("*.mp4")
    assert video_facts(clip)[0] == pytest.approx(51, abs=2)


def test_the_oldest_clips_go_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "20010101-000000-old-run.mp4").write_bytes(bytes(5000))
    others = {"holiday.mp4", "2025-01-31 12-00-00.mp4", "20250131_120000.mp4"}  # a phone's, say
    for name in others:
        (tmp_path / name).write_bytes(bytes(50_000))
    with Clips(tmp_path, print, seconds=0.5, size_limit=4000) as sink:
        give_frames(sink, 0, 20)
        change(sink, 0, 20)
        give_frames(sink, 20, 20)
    names = {path.name for path in tmp_path.glob("*.mp4")}
    assert "20010101-000000-old-run.mp4" not in names
    assert others < names
    assert len(names) == len(others) + 1


def test_a_clip_is_not_deleted_for_an_older_one_because_the_clock_was_set_back(
    tmp_path: Path,
) -> None:
    future = tmp_path / "20990101-000000-old-run.mp4"
    future.write_bytes(bytes(3000))
    with Clips(tmp_path, print, seconds=0.5, size_limit=4000) as sink:
        give_frames(sink, 0, 20)
        change(sink, 0, 20)
        give_frames(sink, 20, 20)
    (clip,) = tmp_path.glob("*.mp4")
    assert clip.name.endswith("-run-000000.mp4")


def test_clips_of_a_video_file_follow_its_own_time(tmp_path: Path) -> None:
    with Clips(tmp_path, print, seconds=1.0, file_rate=20) as sink:
        for index in range(200):  # all read within a moment
            sink.take_frame(labelled_frame(index, captured_at=1000.0, size=(120, 160)))
            if index in (50, 150):
                sink.take_event(an_event(index))
    first, second = sorted(tmp_path.glob("*.mp4"))
    for clip in (first, second):
        frames, rate = video_facts(clip)
        assert rate == pytest.approx(20)
        assert frames == 41
    assert sink.counts.dropped == 0


def test_a_folder_that_can_not_be_written_later_is_one_sentence(tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "clips"
    with Clips(folder, said.append, seconds=0.2) as sink:
        folder.write_text("a file in its place")
        for number in range(2):
            change(sink, number, 100 * number)
            give_frames(sink, 100 * number, 20)
        wait_until(lambda: sink.counts.pending == 0)
    assert len(said) == 1
    assert "clips" in said[0]


def test_a_clip_that_can_not_be_written_costs_the_next_one_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    with Clips(folder, print, seconds=0.2) as sink:
        folder.write_text("a file in its place")
        change(sink, 0, 0)
        give_frames(sink, 0, 2)
        change(sink, 1, 100)  # ends the clip before it, which fails
        wait_until(lambda: sink.counts.pending == 0)
        folder.unlink()
        give_frames(sink, 100, 20)
    (clip,) = folder.glob("*.mp4")
    assert clip.name.endswith("-run-000001.mp4")


def test_a_full_disk_is_one_sentence_and_clips_go_on_once_there_is_space(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no small disk can be made here: mounting takes root")
    try:
        said: list[str] = []
        (folder / "much").write_bytes(bytes(60_000))
        with Clips(folder, said.append, seconds=0.5) as sink:
            for number in range(2):
                change(sink, number, 100 * number)
                give_frames(sink, 100 * number, 20)
            wait_until(lambda: sink.counts.pending == 0)
            assert len(said) == 1
            assert "disk is full" in said[0]
            (folder / "much").unlink()
            change(sink, 2, 300)
            give_frames(sink, 300, 20)
        assert len(list(folder.glob("*-run-000002.mp4"))) == 1
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def video_facts(path: Path) -> tuple[int, float]:
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    capture.release()
    return count, rate


# Figures


def test_figures_are_read_by_prometheus_own_parser() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    stuck = Gate(QueueSettings(drain_seconds=0.01))
    stuck.offer(1)
    with PrometheusSink("127.0.0.1", 0, [stuck]) as sink:
        for index in (0, 1, 4):
            sink.take_frame(labelled_frame(index))
        sink.take_event(an_event(0, "cup"))
        sink.take_event(an_event(1, 'a "hand"\n'))
        with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics") as answer:
            text = answer.read().decode()
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["webcam_classifier_frames_total",] == 3
    assert samples["webcam_classifier_dropped_frames_total",] == 2
    assert samples["webcam_classifier_label", "cup"] == 0
    assert samples["webcam_classifier_label", 'a "hand"\n'] == 1
    assert samples["webcam_classifier_changes_total", "cup"] == 1
    assert samples["webcam_classifier_sink_pending", "gate"] == 1
    assert samples["webcam_classifier_age_seconds_bucket", "0.005"] == 3
    assert samples["webcam_classifier_inference_seconds_count",] == 3
    stuck.gate.set()
    stuck.close()


def test_the_figure_of_the_label_holds_now_whether_events_are_paused_or_not() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    def label_now(port: int) -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        return [
            sample.labels["label"]
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "webcam_classifier_label" and sample.value == 1
        ]

    with PrometheusSink("127.0.0.1", 0, []) as sink:
        stream = EventStream([sink], source="demo", model="m.onnx")
        stream.take(labelled_frame(0, "cup"))
        assert label_now(sink.port) == ["cup"]
        stream.pause()
        stream.take(labelled_frame(1, "hand"))
        assert label_now(sink.port) == ["hand"]
        stream.take_status(CameraStatus("stalled", time.monotonic()))
        assert label_now(sink.port) == [NO_PICTURE]


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with PrometheusSink("127.0.0.1", 0, []) as sink, pytest.raises(UserError, match="--metrics"):
        PrometheusSink("127.0.0.1", sink.port, [])


def test_the_address_of_the_figures_is_this_device_unless_asked() -> None:
    assert parse_address("9464") == ("127.0.0.1", 9464)
    assert parse_address("[::]:9464") == ("::", 9464)
    with pytest.raises(UserError):
        parse_address("here")
