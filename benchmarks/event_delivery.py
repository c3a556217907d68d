"""Whether events survive: a broker and the program itself are killed while labels change.

    $ python -m benchmarks.event_delivery

Two drawn poses take turns in front of a network camera of this device, three times a second.
live.py watches it and publishes to a real mosquitto, which is killed and started again 20 times;
live.py is killed 5 times. What it saw stands in the JSON lines that it writes at the same moment.
Every event in them has to come to a subscriber at least once, and in order; what comes twice has
the same id both times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.mosquitto import Mosquitto, Subscriber
from webcam_classifier.camera.scene import LABELS, draw_scene
from webcam_classifier.cli import train
from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.model_card import MODEL_NAME

TOPIC = "home/door"

_PROJECT = Path(__file__).resolve().parents[1]
_RATE = 25  # pictures a second
_TURN = 8  # pictures of one pose, then of the other
_PAUSES = (0.3, 1.5)  # seconds between two kills
_DOWN_FOR = (0.0, 1.0)  # seconds that the broker stays away
_WAIT = 60.0  # seconds at the end for what is pending
_TAUGHT = 20  # pictures of a pose


@dataclass(frozen=True)
class Outcome:
    """What became of the events.

    Attributes:
        seen: Events that the program told in its JSON lines.
        lost: Those of them that never came.
        repeated: Deliveries of an event that had come before.
        is_in_order: Whether the first deliveries came in the order of the events.
        runs: How often the program was started.
    """

    seen: int
    lost: int
    repeated: int
    is_in_order: bool
    runs: int


def main() -> None:
    """Teach two poses, run, and print what became of the events."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--broker-kills", type=int, default=20)
    parser.add_argument("--program-kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        jpegs = teach_poses(folder)
        found = deliver(
            folder / "model" / MODEL_NAME, jpegs, folder,
            kills=["broker"] * options.broker_kills + ["program"] * options.program_kills,
            seed=options.seed,
        )  # fmt: skip
    print(
        f"{found.seen} events of {found.runs} runs: {found.lost} lost, "
        f"{'in order' if found.is_in_order else 'NOT in order'}, {found.repeated} came twice, "
        "with the same id"
    )


def teach_poses(folder: Path) -> list[bytes]:
    """Draw two poses, teach a model with them, and return a picture of each, as a JPEG."""
    shown = []
    for number, label in enumerate(LABELS[:2]):
        (folder / "pictures" / label).mkdir(parents=True)
        for index in range(_TAUGHT):
            picture = encode_snapshot(draw_scene(label, number, index))
            (folder / "pictures" / label / f"{index:03}.jpg").write_bytes(picture)
        shown.append(picture)
    train.main([str(folder / "pictures"), "--mode", "head", "--output", str(folder / "model")])
    return shown


def deliver(
    model: Path, jpegs: Sequence[bytes], folder: Path, *, kills: Sequence[str], seed: int
) -> Outcome:
    """Run live.py and a broker, kill them, and compare what was seen with what came.

    Args:
        model: That tells the pictures apart.
        jpegs: Shown in turn.
        folder: For everything that is written.
        kills: `broker` or `program`, for each kill.
        seed: Of their order, and of the times in between.
    """
    generator = random.Random(seed)
    kills = generator.sample(kills, len(kills))
    program = _Program(model, folder)
    broker = Mosquitto(folder / "mosquitto")
    with broker, Subscriber(broker.port, f"{TOPIC}/event") as subscriber, camera(jpegs) as source:
        program.start(source, broker.port)
        try:
            for kill in kills:
                time.sleep(generator.uniform(*_PAUSES))
                if kill == "broker":
                    broker.kill()
                    time.sleep(generator.uniform(*_DOWN_FOR))
                    broker.start()
                else:
                    program.end(signal.SIGKILL)
                    program.start(source, broker.port)
            time.sleep(1.0)
            program.end(signal.SIGTERM)
            program.start(source, broker.port)  # sends what waited on the disk
            seen = program.seen()
            wanted = {identifier for identifier, _ in seen}
            end = time.monotonic() + _WAIT
            while time.monotonic() < end and not wanted <= _ids(subscriber):
                time.sleep(0.05)
        finally:
            program.end(signal.SIGKILL)
        came = [event["id"] for event in subscriber.json_of(f"{TOPIC}/event")]
    first = [identifier for identifier in dict.fromkeys(came) if identifier in wanted]
    in_order = [identifier for identifier, _ in seen if identifier in set(first)]
    return Outcome(
        seen=len(wanted),
        lost=len(wanted - set(came)),
        repeated=len(came) - len(set(came)),
        is_in_order=first == in_order,
        runs=program.runs,
    )


def _ids(subscriber: Subscriber) -> set[str]:
    return {event["id"] for event in subscriber.json_of(f"{TOPIC}/event")}


class _Program:
    """live.py, started again and again; each run writes JSON lines of its own."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.runs = 0
        self._model = model
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, source: str, port: int) -> None:
        """Start it, and wait for its first event."""
        lines = self._lines(self.runs)
        self.runs += 1
        with (self._folder / "messages.txt").open("ab") as messages:
            self._process = subprocess.Popen(
                [
                    sys.executable, str(_PROJECT / "live.py"), str(self._model), "--source", source,
                    "--no-window", "--provider", "cpu", "--smoothing", "0.05",
                    "--json-lines", str(lines), "--events-only",
                    "--mqtt", f"mqtt://127.0.0.1:{port}/{TOPIC}",
                ],
                env={**os.environ, "XDG_STATE_HOME": str(self._folder / "state")},
                stdout=subprocess.DEVNULL,
                stderr=messages,
            )  # fmt: skip
        end = time.monotonic() + _WAIT
        while not (lines.is_file() and b"\n" in lines.read_bytes()):
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError((self._folder / "messages.txt").read_text())
            time.sleep(0.02)

    def end(self, number: signal.Signals) -> None:
        """End it, in order or not."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def seen(self) -> list[tuple[str, int]]:
        """Ids and numbers of the events of all runs that have ended, in order."""
        found = []
        for run in range(self.runs - 1):
            for line in self._lines(run).read_bytes().split(b"\n")[:-1]:
                event = json.loads(line)
                found.append((str(event["id"]), int(event["number"])))
        return found

    def _lines(self, run: int) -> Path:
        return self._folder / f"events-{run}.jsonl"


@contextmanager
def camera(jpegs: Sequence[bytes]) -> Iterator[str]:
    """Serve a stream that shows the pictures in turn, for ever, and yield its address."""
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            number = 0
            while not stopped.wait(1 / _RATE):
                jpeg = jpegs[number // _TURN % len(jpegs)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                try:
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                except OSError:  # it was killed
                    return
                number += 1

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    run_script(main)
