"""What the loop loses when everything that its events go to hangs.

    $ python -m benchmarks.hanging_sinks

Two drawn poses take turns in front of a network camera of this device, 25 pictures and three events
a second. The loop labels them in turn without anything to tell, and with all of this at once: JSON
lines into a pipe that nobody reads, a command that sleeps, a broker and a web server that accept
and never answer, a serial port that takes nothing, clips of every event, and somebody who connects
to the port of the figures and says nothing.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np

from benchmarks.event_delivery import camera, teach_poses
from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.cli.console import run_script
from webcam_classifier.events.clips import Clips
from webcam_classifier.events.event_stream import EventStream
from webcam_classifier.events.json_lines import JsonLines
from webcam_classifier.events.mqtt import MqttSink
from webcam_classifier.events.mqtt_broker import parse_broker
from webcam_classifier.events.prometheus import PrometheusSink
from webcam_classifier.events.run_command import CommandSink
from webcam_classifier.events.serial_port import SerialPort
from webcam_classifier.events.sink import Sink
from webcam_classifier.events.webhook import Webhook
from webcam_classifier.live.loop import LabelledFrame, LiveLoop
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import MODEL_NAME

_TURNS = 3


def main() -> None:
    """Run the loop in turn without and with hanging sinks, and print rate and age of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=200, help="of each turn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        jpegs = teach_poses(folder)
        classifier = Classifier(folder / "model" / MODEL_NAME)
        classifier.warm_up()
        with camera(jpegs) as source:
            for turn in range(_TURNS):
                for hang in (False, True):
                    work = folder / f"{turn}-{hang}"
                    work.mkdir()
                    print(measure(classifier, source, options.frames, work, hang=hang), flush=True)


def measure(classifier: Classifier, source: str, frames: int, folder: Path, *, hang: bool) -> str:
    """Label some frames, and say in a line how it went.

    Args:
        classifier: Of the poses.
        source: Of the camera.
        frames: How many.
        folder: For everything that is written.
        hang: Whether there are sinks, which hang.
    """
    ages: list[float] = []
    times: list[float] = []
    indices: list[int] = []

    def note(labelled: LabelledFrame) -> None:
        ages.append(labelled.age)
        times.append(labelled.labelled_at)
        indices.append(labelled.frame.index)

    with ExitStack() as stack:
        sinks = stack.enter_context(hanging_sinks(folder)) if hang else []
        stream = EventStream(sinks, source="camera", model="model", with_pictures=True)

        def record(labelled: LabelledFrame) -> None:
            stream.take(labelled)
            note(labelled)

        opened = stack.enter_context(open_camera(source))
        with LiveLoop(
            opened, classifier, smoothing=0.05, frame_limit=frames, record=record
        ) as loop:
            for _ in loop.results(wait=1.0):
                pass
        pending = {sink.name.split()[0]: sink.counts for sink in sinks}
    milliseconds = 1000 * np.array(ages)
    dropped = indices[-1] - indices[0] + 1 - len(indices)
    said = ", ".join(
        f"{name[2:]} {counts.pending} pending {counts.dropped} dropped"
        for name, counts in pending.items()
    )
    return (
        f"{'all sinks hang' if hang else 'no sinks':14}  "
        f"{(len(times) - 1) / (times[-1] - times[0]):5.2f} frames/s, {dropped} dropped, age "
        f"median {np.median(milliseconds):.1f} ms, 95 % {np.percentile(milliseconds, 95):.1f} ms"
        + (f"; {said}" if said else "")
    )


@contextmanager
def hanging_sinks(folder: Path) -> Iterator[list[Sink]]:
    """Open one of each kind, none of which gets anywhere."""
    with ExitStack() as stack:
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.1", 0))
        silent.listen(100)
        port = silent.getsockname()[1]
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, reader)
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)  # full after some lines
        controller, device = pty.openpty()
        _fill(device)
        stack.callback(os.close, controller)
        stack.callback(os.close, device)
        sinks: list[Sink] = [
            JsonLines(str(pipe), _say_nothing),
            CommandSink("sleep 600", _say_nothing, time_limit=600),
            MqttSink(
                parse_broker(f"mqtt://127.0.0.1:{port}/home/door"),
                _say_nothing,
                ("thumbs_up", "thumbs_down"),
                folder / "queue.db",
            ),
            Webhook(f"http://127.0.0.1:{port}/hook", _say_nothing, time_limit=600),
            SerialPort(os.ttyname(device), _say_nothing),
            Clips(folder / "clips", _say_nothing, seconds=1.0),
        ]
        figures = PrometheusSink("127.0.0.1", 0, list(sinks))
        stack.enter_context(socket.create_connection(("127.0.0.1", figures.port)))
        sinks.append(figures)
        for sink in sinks:
            stack.callback(sink.close)
        yield sinks


def _fill(device: int) -> None:
    """Write to a terminal that nobody reads until it takes no more."""
    os.set_blocking(device, False)
    with suppress(BlockingIOError):
        while True:
            os.write(device, b"x")
    os.set_blocking(device, True)


def _say_nothing(sentence: str) -> None:
    """Failing is what these do."""


if __name__ == "__main__":
    run_script(main)
