"""`live` as a service: what it tells systemd, and the unit that runs it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_live_loop import PacedCamera
from tests.tiny_model import write_tiny_model
from tools.commands_page import EXIT_CODES
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import CameraStatus
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LiveLoop
from webcam_classifier.live.service_notify import ServiceNotifier, notifier_of
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.prediction import Prediction
from webcam_classifier.ui.frame_display import FrameDisplay, SourceFacts

_ROOT = Path(__file__).resolve().parents[1]
_UNIT = _ROOT / "deploy" / "teach-camera.service"
_LIVE = SourceFacts(is_live=True, are_pictures=False, file_rate=None, frame_count=None)

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets"
)


class Manager:
    """The end of the socket that belongs to systemd."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(30)

    def next(self) -> list[str]:
        """The lines of the next datagram."""
        return self._socket.recv(4096).decode().splitlines()

    def wait_for(self, line: str) -> list[str]:
        """All lines up to one that begins so."""
        lines: list[str] = []
        while not any(said.startswith(line) for said in lines):
            lines += self.next()
        return lines

    def drain(self) -> list[str]:
        """What is there without waiting."""
        self._socket.setblocking(False)
        lines: list[str] = []
        try:
            while True:
                lines += self.next()
        except BlockingIOError:
            return lines
        finally:
            self._socket.settimeout(30)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_live_tells_systemd_that_it_is_ready_and_works(manager: Manager, model: Path) -> None:
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}
    environment.pop("WATCHDOG_PID", None)
    command = [sys.executable, "live.py", str(model), "--source", "demo", "--no-window"]
    process = subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        first = manager.next()
        assert first[:2] == ["READY=1", "WATCHDOG=1"]
        assert re.fullmatch(r"STATUS=\w+, \d+\.\d frames/s", first[2])
        for _ in range(3):
            assert "READY=1" not in manager.wait_for("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        assert manager.wait_for("STOPPING=1")[-1] == "STOPPING=1"
        assert process.wait(60) == 143
    finally:
        process.kill()
        process.communicate()


class HangingClassifier(Classifier):
    """Labels until it is told to hang, as a driver of a graphics card may."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.hangs = threading.Event()

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        if not self.may_go_on.is_set():
            self.hangs.set()
            self.may_go_on.wait()
        return super().classify_prepared(prepared)


def test_a_hanging_inference_feeds_no_watchdog(manager: Manager, model: Path) -> None:
    classifier = HangingClassifier(model)
    display = FrameDisplay(_LIVE, notifier=ServiceNotifier(manager.address, watchdog_seconds=0.2))
    with open_camera("demo") as camera, LiveLoop(camera, classifier) as loop:
        thread = threading.Thread(target=display.run, args=(loop,))
        thread.start()
        manager.wait_for("WATCHDOG=1")
        classifier.may_go_on.clear()
        assert classifier.hangs.wait(30)
        time.sleep(0.3)  # the label before may still be on its way to the thread that shows
        manager.drain()
        time.sleep(1.0)  # five times what systemd would have waited
        assert manager.drain() == []
        classifier.may_go_on.set()
        manager.wait_for("WATCHDOG=1")
    thread.join(30)
    assert "STOPPING=1" in manager.wait_for("STOPPING=1")


def test_a_camera_that_is_away_feeds_the_watchdog_and_says_so(
    manager: Manager, model: Path
) -> None:
    camera = PacedCamera(100)
    display = FrameDisplay(_LIVE, notifier=ServiceNotifier(manager.address, watchdog_seconds=0.2))
    with LiveLoop(camera, Classifier(model)) as loop:
        thread = threading.Thread(target=display.run, args=(loop,))
        thread.start()
        manager.wait_for("WATCHDOG=1")
        camera.status = CameraStatus("stalled", time.monotonic(), "no picture\nfor 3 s")
        said = manager.wait_for("STATUS=no picture")
        assert said[-1] == "STATUS=no picture (stalled): no picture for 3 s"
        for _ in range(3):
            manager.wait_for("WATCHDOG=1")
        camera.status = CameraStatus("live", time.monotonic())
        assert "frames/s" in manager.wait_for("STATUS=")[-1]
    thread.join(30)


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"teach-camera-{os.getpid()}-{tmp_path.name}"
    manager = Manager(f"\0{name}")
    set_environment(monkeypatch, NOTIFY_SOCKET=f"@{name}")
    notifier = notifier_of()
    assert notifier is not None
    notifier.turn(None, CameraStatus("reopening", 0.0, "it was unplugged"))
    assert manager.next() == ["READY=1", "STATUS=no picture (reopening): it was unplugged"]
    notifier.close()
    notifier.close()
    assert manager.drain() == ["STOPPING=1"]
    manager.close()


def test_without_systemd_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)
    assert notifier_of() is None
    set_environment(monkeypatch, NOTIFY_SOCKET="vsock:2:1")
    assert notifier_of() is None
    set_environment(monkeypatch, NOTIFY_SOCKET=str(tmp_path / "gone"), WATCHDOG_USEC="1000")
    gone = notifier_of()
    assert gone is not None
    for _ in range(3):  # a manager that has gone ends nothing
        gone.turn(None, CameraStatus("stalled", 0.0, "away"))
    gone.close()


def test_a_watchdog_that_is_meant_for_another_process_is_not_fed(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(
        monkeypatch, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000", WATCHDOG_PID="1"
    )
    notifier = notifier_of()
    assert notifier is not None
    with notifier:
        notifier.turn(None, CameraStatus("stalled", 0.0, "away"))
        assert "WATCHDOG=1" not in manager.next()


@pytest.mark.parametrize("microseconds", ["1" + 400 * "0", "1" + 5000 * "0", "abc", "-1", "0", ""])
def test_an_odd_time_of_a_watchdog_is_none(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, microseconds: str
) -> None:
    set_environment(monkeypatch, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC=microseconds)
    notifier = notifier_of()
    assert notifier is not None
    with notifier:
        notifier.turn(None, CameraStatus("stalled", 0.0, "away"))
        assert "WATCHDOG=1" not in manager.next()


def set_environment(monkeypatch: pytest.MonkeyPatch, **wanted: str) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)


# The unit


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", _UNIT.read_text(), re.MULTILINE)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = shutil.which("systemd-analyze")
    if command is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run([command, *arguments], capture_output=True, text=True)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    program = "/opt/teach-camera/bin/teach-camera"  # as the documentation installs it
    unit = tmp_path / _UNIT.name
    unit.write_text(_UNIT.read_text().replace(program, shutil.which("true") or "/bin/true"))
    done = analyze("verify", str(unit))
    assert done.returncode == 0, done.stderr
    assert _UNIT.name not in done.stderr
    unit.write_text(unit.read_text().replace("Type=notify", "Type=notfy"))
    assert "notfy" in analyze("verify", str(unit)).stderr  # what is wrong would be found


def test_the_unit_is_hardened() -> None:
    done = analyze("security", "--offline=yes", "--threshold=20", str(_UNIT))
    if "unrecognized option" in done.stderr or "Unknown" in done.stderr:
        pytest.skip("this systemd can't judge a file")
    assert done.returncode == 0, done.stdout  # at most 2.0 of 10, "OK"


def test_the_unit_knows_the_exit_codes() -> None:
    (prevented,), (fine,) = settings("RestartPreventExitStatus"), settings("SuccessExitStatus")
    assert int(prevented) in EXIT_CODES
    assert "option" in EXIT_CODES[int(prevented)]
    assert "SIGTERM" in EXIT_CODES[int(fine)]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--source", "demo", "--frames", "2"], 0),
        (["--source", "no_such_video.mp4"], 1),
        (["--smothing", "1"], 2),
    ],
)
def test_a_command_ends_with_the_code_that_the_table_says(
    model: Path, arguments: list[str], code: int
) -> None:
    command = [sys.executable, "live.py", str(model), "--no-window", *arguments]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert code in EXIT_CODES


def test_what_the_unit_runs_is_a_command_that_there_is() -> None:
    from tools.commands_page import parser_of

    (started,) = settings("ExecStart")
    _, name, *arguments = started.replace(" $TEACH_CAMERA_OPTIONS", "").split()
    assert parser_of(name).parse_args(arguments).window is False
