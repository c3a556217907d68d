"""How long `live.py` and `collect.py` take to end while their camera hangs.

    $ python -m benchmarks.stop_time --tries 100

A network camera on this machine accepts and says nothing (connecting), stops in the middle
(stalled), or is gone and being opened again (reopening). Each try is a process of its own that gets
Ctrl-C or SIGTERM at a random moment; its exit code must be 130 or 143.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faulty_camera import FaultyCamera
from webcam_classifier.cli.console import run_script
from webcam_classifier.cli.number_arguments import parse_count
from webcam_classifier.model.classifier import find_model

_PROJECT = Path(__file__).resolve().parents[1]
_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
_WHENS = ("connecting", "stalled", "reopening")
_LIMIT = 2.0  # seconds
_STARTS_WITHIN = 60.0  # seconds
_SIDE_BY_SIDE = 4


@dataclass(frozen=True)
class Try:
    """One process that was told to end.

    Attributes:
        script: `live` or `collect`.
        when: What its camera did.
        sent: The signal.
        seconds: Until it had ended.
        code: Its exit code.
    """

    script: str
    when: str
    sent: signal.Signals
    seconds: float
    code: int

    @property
    def is_right(self) -> bool:
        """Whether it ended in time and with the right code."""
        return self.seconds < _LIMIT and self.code == _CODES[self.sent]


def main(arguments: Sequence[str] | None = None) -> None:
    """Try, and print a table."""
    options = parse(arguments)
    model = find_model(options.model).resolve()
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        tries = list(pool.map(lambda number: attempt(number, model), range(options.tries)))
    print("| command | camera | tries | right | median s | worst s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for script in ("live", "collect"):
        for when in _WHENS:
            print(_row([one for one in tries if (one.script, one.when) == (script, when)]))
    print(
        f"{sum(one.is_right for one in tries)} of {len(tries)} ended within {_LIMIT:.0f} s with "
        "the right code"
    )


def attempt(number: int, model: Path) -> Try:
    """Start a command, let its camera hang, and end it.

    Args:
        number: Decides the command, what its camera does, and the moment.
        model: For live.py.
    """
    when, generator = _WHENS[number % len(_WHENS)], random.Random(number)
    script = ("live", "collect")[number // len(_WHENS) % 2]
    sent = generator.choice(list(_CODES))
    with FaultyCamera(15.0) as server, tempfile.TemporaryDirectory() as folder:
        if when == "connecting":
            server.begin("silent connect")
        with _start(script, server.url, model, Path(folder)) as process:
            if when == "connecting":
                _wait_for(lambda: server.connections > 0)
            else:
                _wait_for(lambda: _has_begun(Path(folder)))
                server.begin("silent connect")
                if when == "reopening":
                    server.drop()
            time.sleep(generator.uniform(0.1, 6.0))
            started = time.monotonic()
            process.send_signal(sent)
            code = process.wait()
            return Try(script, when, sent, time.monotonic() - started, code)


def _start(script: str, url: str, model: Path, folder: Path) -> subprocess.Popen[bytes]:
    arguments = {
        "live": [str(model), "--json-lines", "labels.jsonl"],
        "collect": ["cup", "--dataset", "dataset"],
    }
    return subprocess.Popen(
        [
            *(sys.executable, str(_PROJECT / f"{script}.py"), *arguments[script]),
            *("--no-window", "--source", url),
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _has_begun(folder: Path) -> bool:
    lines = folder / "labels.jsonl"
    is_labelled = lines.exists() and lines.stat().st_size > 0
    return is_labelled or any(folder.glob("dataset/cup/*.jpg"))


def _wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError("the command did not start")
        time.sleep(0.02)


def _row(tries: Sequence[Try]) -> str:
    if not tries:
        return ""
    seconds = [one.seconds for one in tries]
    right = sum(one.is_right for one in tries)
    return (
        f"| {tries[0].script}.py | {tries[0].when} | {len(tries)} | {right} | "
        f"{statistics.median(seconds):.2f} | {max(seconds):.2f} |"
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tries", type=parse_count, default=100, help="(default: %(default)s)")
    parser.add_argument("--model", type=Path, default=Path("models"), help="file or folder")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
