"""Damage model files and pictures in thousands of ways, and count what they do to the program.

    $ python -m benchmarks.fuzz --models 20000 --pictures 20000 --seed 0
    $ python -m benchmarks.fuzz --models 2000 --pictures 0 --model models/thumbs/model.onnx
    $ python -m benchmarks.fuzz --models 20000 --pictures 20000 --keep failures/

Each damaged file is opened in a forked process, as `live.py` and `train.py` open it. Anything but
an answer or a sentence counts: a crash, a traceback, more than 20 seconds, more than a gigabyte,
an answer that is not of probabilities, words that a terminal would obey. Number n of a seed is
always the same file. It needs Linux.
"""

from __future__ import annotations

import argparse
import collections
import functools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.fuzz_child import CRASHED, HUNG, RAISED, Ending, run_forked
from benchmarks.fuzz_models import ask_model, damaged_model, tiny_model
from benchmarks.fuzz_pictures import ask_about_picture, damaged_picture, whole_pictures
from webcam_classifier.cli.console import run_script

HANG = 20.0  # seconds
MEMORY = 1000.0  # megabytes, beside what the process holds before a file is opened
TOO_MUCH = "memory"
BAD = (
    CRASHED,
    RAISED,
    HUNG,
    TOO_MUCH,
    "no probabilities",
    "no picture",
    "words that a terminal can't take",
)

Damage = Callable[[Sequence[bytes], Random], bytes]


@dataclass(frozen=True)
class Found:
    """What came of one damaged file.

    Attributes:
        number: Of the file, within its seed.
        ending: How the process ended that opened it.
        content: The file, where something bad came of it.
    """

    number: int
    ending: Ending
    content: bytes | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Damage, open, count, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", type=int, default=2000, metavar="N", help="damaged models (default: 2000)")
    add("--pictures", type=int, default=2000, metavar="N", help="damaged pictures (default: 2000)")
    add("--seed", type=int, default=0, help="another one damages otherwise (default: 0)")
    add("--model", type=Path, action="append", default=[], metavar="FILE",
        help="a model file to damage besides one of five nodes; may be given again")  # fmt: skip
    add("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    add("--keep", type=Path, metavar="FOLDER", help="put files here that something bad came of")
    options = parser.parse_args(arguments)
    models = [tiny_model(), *(path.read_bytes() for path in options.model)]
    for kind, count, whole, damage, ask in (
        ("models", options.models, models, damaged_model, ask_model),
        ("pictures", options.pictures, whole_pictures(), damaged_picture, ask_about_picture),
    ):
        if not count:
            continue
        started = time.monotonic()
        found = list(fuzz(whole, damage, ask, count, options.seed, options.workers))
        print(describe(kind, found, time.monotonic() - started), flush=True)
        for one in found:
            if one.content is not None:
                print(f"  {kind} {one.number}: {one.ending.outcome}\n{one.ending.detail}")
                if options.keep is not None:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    name = f"{kind}-{options.seed}-{one.number}"
                    (options.keep / name).write_bytes(one.content)


def fuzz(
    whole: Sequence[bytes],
    damage: Damage,
    ask: Callable[[bytes], str],
    count: int,
    seed: int,
    workers: int,
) -> Iterator[Found]:
    """Damage files and open each in a process of its own.

    Args:
        whole: The files to damage.
        damage: Damages one of them.
        ask: Opens what came of it, and says a word about it.
        count: How many.
        seed: The same gives the same files.
        workers: Processes that fork one for each file.
    """
    one = functools.partial(try_one, whole, damage, ask, seed)
    with multiprocessing.get_context("fork").Pool(
        workers, signal.signal, (signal.SIGTERM, signal.SIG_DFL)
    ) as pool:
        yield from pool.imap(one, range(count), chunksize=8)


def try_one(
    whole: Sequence[bytes], damage: Damage, ask: Callable[[bytes], str], seed: int, number: int
) -> Found:
    """Damage a file and open it; see `fuzz`.

    Args:
        whole: The files to damage.
        damage: Damages one of them.
        ask: Opens what came of it.
        seed: Of all.
        number: Of this one.
    """
    content = damage(whole, Random(f"{seed} {number}"))
    ending = run_forked(functools.partial(ask, content), HANG)
    if ending.megabytes > MEMORY:
        ending = Ending(TOO_MUCH, f"{ending.megabytes:.0f} MB", ending.seconds, ending.megabytes)
    return Found(number, ending, content if ending.outcome in BAD else None)


def describe(kind: str, found: Sequence[Found], seconds: float) -> str:
    """Say what came of all files of a kind, the bad ends first.

    Args:
        kind: What the files are.
        found: One of each.
        seconds: That it took.
    """
    counts = collections.Counter(one.ending.outcome for one in found)
    lines = [f"{len(found)} damaged {kind} in {seconds:.0f} s:"]
    lines += [f"  {counts.pop(outcome, 0):>6}  {outcome}" for outcome in BAD]
    lines += [f"  {count:>6}  {outcome}" for outcome, count in sorted(counts.items())]
    slowest = max(one.ending.seconds for one in found)
    largest = max(one.ending.megabytes for one in found)
    return "\n".join([*lines, f"  the slowest took {slowest:.1f} s, the largest {largest:.0f} MB"])


if __name__ == "__main__":
    run_script(main)
