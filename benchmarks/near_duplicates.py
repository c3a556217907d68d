"""How long it takes to find near duplicates, and how much memory.

    $ python -m benchmarks.near_duplicates
    $ python -m benchmarks.near_duplicates --counts 2000 8000 --all-pairs

Measured is `group_near_duplicates`, which finds the bursts of a label, each run in a process of its
own. The fingerprints are of four kinds: `bursts`, pictures of the folder named with `--data`
again and again, with the noise of a burst; `unrelated` that have nothing in common; `one wall`,
all of a single scene with noise; and `black`, all the same. `--all-pairs` measures as well what a
matrix of all pairs takes, where that fits into memory, and holds the groups against its groups.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.fingerprints import fingerprint
from webcam_classifier.dataset.listing import list_pictures
from webcam_classifier.dataset.near_duplicates import NEAR_COPY, group_near_duplicates
from webcam_classifier.dataset.picture_files import read_picture

KINDS = ("bursts", "unrelated", "one wall", "black")
COUNTS = (2000, 8000, 25_000)
WAYS = ("groups", "all pairs")

_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "rock_paper_scissors"
_MOST_FOR_ALL_PAIRS = 10_000  # pictures; they take 4 GB
_SCENES = 200  # pictures of the folder that are taken
_NOISE = 0.03  # of the bits of a picture change: two of a scene differ in 15


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each kind and count, and print a line for each."""
    options = parse(arguments)
    if options.child:
        print(json.dumps(measure(*json.loads(options.child))))
        return
    print(f"{'kind':<12}{'pictures':>9}  {'way':<10}{'seconds':>8}{'MB':>7}{'groups':>8}")
    for kind in KINDS:
        for count in options.counts:
            found = set()
            both = options.all_pairs and count <= _MOST_FOR_ALL_PAIRS
            for way in WAYS if both else WAYS[:1]:
                job = json.dumps([kind, count, way, str(options.data)])
                command = [sys.executable, "-m", "benchmarks.near_duplicates", "--child", job]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds, megabytes, groups = json.loads(done.stdout)
                found.add(groups)
                print(
                    f"{kind:<12}{count:>9}  {way:<10}{seconds:>8.2f}{megabytes:>7.0f}{groups:>8}",
                    flush=True,
                )
            if len(found) > 1:
                raise RuntimeError("the two ways found different groups")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure how near duplicates are found.")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="of pictures")
    parser.add_argument("--data", type=Path, default=_DATA, help="a folder of pictures")
    parser.add_argument("--all-pairs", action="store_true", help="measure that way as well")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def make_fingerprints(kind: str, count: int, data: Path) -> NDArray[np.bool_]:
    """Make up the fingerprints of pictures.

    Args:
        kind: One of `KINDS`.
        count: How many.
        data: Where real pictures are.

    Returns:
        (count, 256) bool.
    """
    generator = np.random.default_rng(0)
    if kind == "black":
        return np.zeros((count, 256), dtype=np.bool_)
    scenes = generator.random((count if kind == "unrelated" else 1, 256)) < 0.5
    if kind == "bursts":
        paths, _ = list_pictures(data)
        some = paths[:: max(1, len(paths) // _SCENES)]
        scenes = np.array([fingerprint(read_picture(path)) for path in some], dtype=np.bool_)
    pictures = scenes[np.arange(count) * len(scenes) // count]
    if kind == "unrelated":
        return pictures
    return np.asarray(pictures ^ (generator.random(pictures.shape) < _NOISE))


def measure(kind: str, count: int, way: str, data: str) -> tuple[float, float, int]:
    """Find the groups once.

    Returns:
        Seconds, megabytes of arrays at the most, and how many groups there are.
    """
    group_near_duplicates(make_fingerprints("unrelated", 10, Path(data)))  # loads what it needs
    fingerprints = make_fingerprints(kind, count, Path(data))
    find = _by_all_pairs if way == "all pairs" else group_near_duplicates
    started = time.perf_counter()
    groups = find(fingerprints)
    seconds = time.perf_counter() - started
    tracemalloc.start()
    find(fingerprints)
    _, peak = tracemalloc.get_traced_memory()
    return seconds, peak / 1e6, int(groups.max()) + 1


def _by_all_pairs(fingerprints: NDArray[np.bool_]) -> NDArray[np.int64]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    bits = fingerprints.astype(np.float32)
    ones = bits.sum(axis=1)
    differing = ones[:, np.newaxis] + ones - 2.0 * (bits @ bits.T)
    linked = np.rint(differing).astype(np.int64) <= NEAR_COPY
    _, groups = connected_components(coo_matrix(linked), directed=False)
    return np.asarray(groups, dtype=np.int64)


if __name__ == "__main__":
    run_script(main)
