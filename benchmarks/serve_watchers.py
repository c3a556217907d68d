"""What watching a running loop from elsewhere costs it.

    $ python -m benchmarks.serve_watchers

Runs `live.py --serve` with the simulated camera and a model of its poses, and lets nobody watch,
one page, four watchers (two pages and two streams of Motion JPEG), and one who asks for a stream
and never reads it. Turns of each follow one another in one run. The watchers are processes of
their own; the ages come from the loop's own JSON lines. Beside them stands how much of a processor
the whole program takes, which other work on the machine changes little (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.event_delivery import teach_poses
from webcam_classifier.cli.console import run_script
from webcam_classifier.model_card import MODEL_NAME

_PROJECT = Path(__file__).resolve().parents[1]
_TURNS = 5
_SETTLES = 1.0  # seconds after watchers came or went
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


class Turn(NamedTuple):
    """A while in which some watched.

    Attributes:
        began: Seconds on the monotonic clock.
        ended: Likewise.
        worked: Seconds that the program had of the processors.
    """

    began: float
    ended: float
    worked: float


def main() -> None:
    """Run the loop once, let watchers come and go, and print rate and age for each kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn")
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
            turns = _run_turns(_link(loop, errors), loop.pid, options.seconds)
        finally:
            loop.terminate()  # not SIGINT, which a background shell has its children ignore
            loop.wait()
        _print(turns, [json.loads(line) for line in lines.read_text().splitlines()])


def _run_turns(link: str, process: int, seconds: float) -> dict[str, list[Turn]]:
    """Let each kind of watcher watch in turn, and return the turns of each."""
    address, token = re.findall(r"http://([^/]+)/\?token=(.*)", link)[0]
    turns: dict[str, list[Turn]] = {name: [] for name in _WATCHERS}
    for _ in range(_TURNS):
        for name, programs in _WATCHERS.items():
            watchers = [
                subprocess.Popen([sys.executable, "-c", program, address, token])
                for program in programs
            ]
            time.sleep(_SETTLES)
            began, worked = time.monotonic(), _processor_seconds(process)
            time.sleep(seconds)
            turns[name].append(Turn(began, time.monotonic(), _processor_seconds(process) - worked))
            for watcher in watchers:
                assert watcher.poll() is None, "a watcher has ended"
                watcher.kill()
                watcher.wait()
    return turns


def _processor_seconds(process: int) -> float:
    """What a process has had of the processors so far, in all of its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime


def _print(turns: Mapping[str, Sequence[Turn]], lines: Sequence[Mapping[str, object]]) -> None:
    frames = [line for line in lines if "captured_at" in line]
    captured = np.array([line["captured_at"] for line in frames], np.float64)
    ages = np.array([line["age_ms"] for line in frames], np.float64)
    for name, own in turns.items():
        inside = [(captured >= turn.began) & (captured < turn.ended) for turn in own]
        seconds = sum(turn.ended - turn.began for turn in own)
        found = ages[np.logical_or.reduce(inside)]
        medians = ", ".join(f"{np.median(ages[chosen]):.0f}" for chosen in inside)
        worked = sum(turn.worked for turn in own)
        print(
            f"{name:22} {len(found) / seconds:5.2f} frames/s, age median {np.median(found):.1f} "
            f"ms (turns {medians}), 95 % {np.percentile(found, 95):.1f} ms, "
            f"{1000 * worked / len(found):.1f} ms of a processor a frame"
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
