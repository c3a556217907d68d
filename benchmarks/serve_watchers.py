"""What watching a running loop from elsewhere costs it.

    $ python -m benchmarks.serve_watchers

Runs `live.py --serve` with the simulated camera and a model of its poses, and lets nobody watch,
one page, four watchers (two pages and two streams of Motion JPEG), and one who asks for a stream
and never reads it. Turns of each follow one another in one run. The watchers are processes of
their own; the ages come from the loop's own JSON lines.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.event_delivery import teach_poses
from webcam_classifier.cli.console import run_script
from webcam_classifier.model_card import MODEL_NAME

_PROJECT = Path(__file__).resolve().parents[1]
_TURNS = 3
_SETTLES = 1.5  # seconds after watchers came or went
_STARTS_WITHIN = 120.0  # seconds

_PAGE = """
import json, sys
from websockets.sync.client import connect
address, token = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}
with connect(f"ws://{address}/ws/live", additional_headers=headers, compression=None) as page:
    page.send(json.dumps({"type": "hello", "pictures": True}))
    while True:
        message = page.recv()
        if isinstance(message, str) and json.loads(message)["type"] == "prediction":
            page.recv()
            page.send(json.dumps({"type": "shown", "frame": json.loads(message)["frame"]}))
"""

_STREAM = """
import http.client, sys
address, token = sys.argv[1:]
connection = http.client.HTTPConnection(address)
connection.request("GET", "/picture.mjpg", headers={"Authorization": f"Bearer {token}"})
response = connection.getresponse()
while response.read1(65536):
    pass
"""

_DEAF = """
import socket, sys, time
address, token = sys.argv[1:]
host, port = address.split(":")
with socket.create_connection((host, int(port))) as deaf:
    head = f"GET /picture.mjpg HTTP/1.1\\r\\nHost: {address}\\r\\nAuthorization: Bearer {token}"
    deaf.sendall(f"{head}\\r\\n\\r\\n".encode())
    time.sleep(600)
"""

_WATCHERS: Mapping[str, Sequence[str]] = {
    "nobody": (),
    "1 page": (_PAGE,),
    "2 pages and 2 streams": (_PAGE, _PAGE, _STREAM, _STREAM),
    "1 that does not read": (_DEAF,),
}


def main() -> None:
    """Run the loop once, let watchers come and go, and print rate and age for each kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        teach_poses(folder)
        lines = folder / "labels.jsonl"
        errors = folder / "stderr.txt"
        command = [
            sys.executable, str(_PROJECT / "live.py"), str(folder / "model" / MODEL_NAME),
            "--source", "demo", "--no-window", "--serve", "0", "--json-lines", str(lines),
        ]  # fmt: skip
        with errors.open("w") as stderr:
            loop = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            times = _run_turns(_link(loop, errors), options.seconds)
        finally:
            loop.send_signal(signal.SIGINT)
            loop.wait()
        _print(times, [json.loads(line) for line in lines.read_text().splitlines()])


def _run_turns(link: str, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """Let each kind of watcher watch in turn, and return when, on the monotonic clock."""
    address, token = re.findall(r"http://([^/]+)/\?token=(.*)", link)[0]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in _WATCHERS}
    for _ in range(_TURNS):
        for name, programs in _WATCHERS.items():
            watchers = [
                subprocess.Popen([sys.executable, "-c", program, address, token])
                for program in programs
            ]
            time.sleep(_SETTLES)
            began = time.monotonic()
            time.sleep(seconds)
            times[name].append((began, time.monotonic()))
            for watcher in watchers:
                assert watcher.poll() is None, "a watcher has ended"
                watcher.kill()
                watcher.wait()
    return times


def _print(
    times: Mapping[str, Sequence[tuple[float, float]]], lines: Sequence[Mapping[str, object]]
) -> None:
    frames = [line for line in lines if "captured_at" in line]
    captured = np.array([line["captured_at"] for line in frames], np.float64)
    ages = np.array([line["age_ms"] for line in frames], np.float64)
    for name, turns in times.items():
        inside = [(captured >= began) & (captured < ended) for began, ended in turns]
        seconds = sum(ended - began for began, ended in turns)
        found = ages[np.logical_or.reduce(inside)]
        turn_medians = ", ".join(f"{np.median(ages[turn]):.1f}" for turn in inside)
        print(
            f"{name:22} {len(found) / seconds:5.2f} frames/s, age median {np.median(found):.1f} "
            f"ms (turns {turn_medians}), 95 % {np.percentile(found, 95):.1f} ms"
        )


def _link(loop: subprocess.Popen[bytes], errors: Path) -> str:
    ends = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < ends:
        found = re.findall(r"^open +(\S+)", errors.read_text(), re.MULTILINE)
        if found:
            return str(found[0])
        assert loop.poll() is None, errors.read_text()
        time.sleep(0.05)
    raise AssertionError(errors.read_text())


if __name__ == "__main__":
    run_script(main)
