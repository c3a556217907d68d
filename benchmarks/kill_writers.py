"""Kill every writer at random moments, and look at what is left of what it wrote.

    $ python -m benchmarks.kill_writers --kills 300 --seed 0
    $ python -m benchmarks.kill_writers --kills 20 --writer recorder --writer train

Each writer runs in a process of its own and tells what it has finished. It is killed (SIGKILL) at
a moment drawn from the seed, within the time that it took to finish something once; where writing
comes after long work, every second time while it writes. Then the next start's own steps are
taken, and it is looked at:

- lost: what was told to be finished is not there, or not what was written
- unreadable: a file that a tool reads can't be read, or files that belong together don't
- left running: a process of the killed one is there 30 s later
- left over: a temporary file or folder is there after the next start

The exit code is 1 where any of them is not 0.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import safetensors.numpy

from benchmarks.kill_writers_checks import WRITERS, Tally, note
from benchmarks.kill_writers_child import FIGURES, SIZE
from webcam_classifier.backbone.weights import squeezenet1_1_weights
from webcam_classifier.cli import train
from webcam_classifier.dataset.picture_files import encode_snapshot
from webcam_classifier.temporary_files import temporary_folder

_ROOT = Path(__file__).resolve().parents[1]
_GONE_WITHIN = 30.0  # seconds
_WRITES_WITHIN = 60.0  # seconds
_WHOLE_WRITE = 0.06  # seconds that writing a lesson takes here, flushed to the disk
_UNFINISHED = (".partial", ".together")
_LOOK_EVERY = 0.05  # seconds


def kill_writer(name: str, kills: int, seed: int, folder: Path) -> Tally:
    """Kill one writer again and again, and look each time.

    Args:
        name: A key of `WRITERS`.
        kills: How many.
        seed: Of the moments.
        folder: From `prepare`; of this writer alone.
    """
    writer, tally = WRITERS[name], Tally(name)
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = {"TMPDIR": str(temporary), "XDG_CACHE_HOME": str(folder / "cache")}
    os.environ |= environment
    tempfile.tempdir = str(temporary)
    generator = random.Random(f"{seed} {name}")
    told: list[str] = []
    with Forks(name, folder) as forks:
        began, process = time.monotonic(), forks.start(0)
        told.append(forks.wait_for_one())
        longest = max(writer.longest, time.monotonic() - began)
        told += forks.kill(process)
        all_gone(process)
        for number in range(kills):
            last = int(told[-1]) if told and name != "recorder" else -1
            process = forks.start(last + 1)
            if writer.watched is None or number % 2:
                time.sleep(generator.uniform(0.0, longest))
            else:
                wait_for_partial(folder / writer.watched)
                time.sleep(generator.uniform(0.0, _WHOLE_WRITE))
            told += forks.kill(process)
            tally.kills += 1
            if not all_gone(process):
                note(tally, "left_running", f"a process was there after {_GONE_WITHIN:.0f} s")
            writer.restart(folder)
            with temporary_folder():
                pass
            writer.check(folder, told, tally)
            for path in leftovers(folder):
                note(tally, "left_over", str(path.relative_to(folder)))
    tally.finished = len(told)
    return tally


class Forks:
    """The writer's process, which forks one to be killed whenever it is asked to.

    Args:
        name: A key of `WRITERS`.
        folder: Where it writes.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.kill_writers_child", name, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=_ROOT, text=True,
        )  # fmt: skip

    def start(self, first: int) -> int:
        """Fork a writer, wait until it is ready, and return its process id.

        Args:
            first: The number of what it writes first.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{first}\n")
        self._process.stdin.flush()
        process, is_ready = 0, False
        while not process or not is_ready:  # they come in any order
            line = self._line()
            if line == "gone":
                raise RuntimeError(f"the writer {self._name} ended by itself")
            is_ready = is_ready or line == "ready"
            if line.startswith("pid "):
                process = int(line.removeprefix("pid "))
        return process

    def wait_for_one(self) -> str:
        """Wait until something is finished, and return what."""
        while not (line := self._line()).startswith("done "):
            if line == "gone":
                raise RuntimeError(f"the writer {self._name} ended by itself")
        return line.removeprefix("done ")

    def kill(self, process: int) -> list[str]:
        """Kill a fork, and return what it had told to be finished."""
        os.kill(process, signal.SIGKILL)
        told = []
        while (line := self._line()) != "gone":
            if line.startswith("done "):
                told.append(line.removeprefix("done "))
        return told

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the writer {self._name} could not be loaded")
        return line.rstrip("\n")

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def wait_for_partial(folder: Path) -> None:
    """Wait until something is being written in a folder."""
    give_up_at = time.monotonic() + _WRITES_WITHIN
    while time.monotonic() < give_up_at:
        with suppress(OSError):
            if any(path.name.endswith(_UNFINISHED) for path in folder.iterdir()):
                return
        time.sleep(0.0005)


def all_gone(session: int) -> bool:
    """Wait until no process of a session is there; those that stay are ended."""
    give_up_at = time.monotonic() + _GONE_WITHIN
    while found := _processes_of(session):
        if time.monotonic() > give_up_at:
            for process in found:
                with suppress(OSError):
                    os.kill(process, signal.SIGKILL)
            return False
        time.sleep(_LOOK_EVERY)
    return True


def _processes_of(session: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def leftovers(folder: Path) -> list[Path]:
    """List what a killed process had not finished and nobody removed."""
    endings = (*_UNFINISHED, "-journal", "-wal", "-shm")
    found = [path for path in folder.rglob("*") if path.name.endswith(endings)]
    return [*found, *(folder / "temporary").iterdir()]


def prepare(folder: Path) -> None:
    """Make what the writers need: pictures, weights, and a model.

    Args:
        folder: For it; made where it is missing.
    """
    generator = np.random.default_rng(0)
    for label, colour in {"green": (40, 200, 40), "purple": (200, 40, 200)}.items():
        place = folder / FIGURES["pictures"] / label
        place.mkdir(parents=True, exist_ok=True)
        for number in range(10):
            image = np.clip(generator.normal(0, 40, (72, 96, 3)) + colour, 0, 255)
            (place / f"{number:03}.jpg").write_bytes(encode_snapshot(image.astype(np.uint8)))
    weights = folder / FIGURES["weights"]
    weights.write_bytes(safetensors.numpy.save(squeezenet1_1_weights().tensors))
    command = [str(folder / FIGURES["pictures"]), "--output", str(folder / FIGURES["base"])]
    command += ["--mode", "head", "--input-size", str(SIZE), "--weights", str(weights)]
    train.main([*command, "--seed", "0"])
    # What a killed lesson must leave as it was.
    shutil.copytree(folder / FIGURES["base"], folder / FIGURES["model"])


def run(kills: Mapping[str, int], seed: int, at_once: int, folder: Path) -> list[Tally]:
    """Kill several writers, each in a folder of its own.

    Args:
        kills: By the name of the writer.
        seed: Of the moments.
        at_once: How many writers at once.
        folder: For all of it.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        prepare(folder / "0")
    for number in range(1, len(kills)):
        shutil.copytree(folder / "0", folder / f"{number}")
    with ProcessPoolExecutor(at_once) as pool:
        running = [
            pool.submit(kill_writer, name, count, seed, folder / f"{number}")
            for number, (name, count) in enumerate(kills.items())
        ]
        return [one.result() for one in running]


def shared_out(kills: int, names: Sequence[str]) -> dict[str, int]:
    """Share kills out among writers, by their shares; each gets two at least."""
    whole = sum(WRITERS[name].share for name in names)
    found = {name: max(2, kills * WRITERS[name].share // whole) for name in names}
    found[names[0]] += max(0, kills - sum(found.values()))
    return found


def table(tallies: Sequence[Tally]) -> str:
    """Format the tallies as Markdown, with their sum."""
    names = ("kills", "finished", "lost", "unreadable", "left_running", "left_over")
    whole = Tally("all")
    for name in names:
        setattr(whole, name, sum(getattr(tally, name) for tally in tallies))
    lines = [f"| writer | {' | '.join(name.replace('_', ' ') for name in names)} |"]
    lines.append("| --- " * (len(names) + 1) + "|")
    for tally in (*tallies, whole):
        values = " | ".join(str(getattr(tally, name)) for name in names)
        lines.append(f"| {tally.writer} | {values} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Kill, look, and print the table."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="kill-writers-") as name:
        kills = shared_out(options.kills, options.writer or list(WRITERS))
        tallies = run(kills, options.seed, options.at_once, Path(name))
    print(table(tallies))
    for tally in tallies:
        for problem in tally.problems:
            print(f"{tally.writer}: {problem}")
    if options.json is not None:
        found = [dataclasses.asdict(tally) for tally in tallies]
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    if not all(tally.is_clean for tally in tallies):
        sys.exit(1)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--kills", type=int, default=300, metavar="N", help="in all (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    add("--writer", action="append", choices=WRITERS, help="only this one; may be repeated")
    add("--at-once", type=int, default=2, metavar="N", help="writers (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures here as well")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
