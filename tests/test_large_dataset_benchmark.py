"""The benchmark of many pictures: what it makes, and that it measures what it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.large_dataset import BURST, Run, forget_embeddings, run, write_snapshots
from webcam_classifier.dataset.embedding_cache import FILE_NAME
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name

_ROOT = Path(__file__).resolve().parents[1]


def allocate(megabytes: int, then: str = "") -> Run:
    code = f"kept = bytearray({megabytes} * 10**6)\nfor at in range(0, len(kept), 4096): kept[at]=1"
    return run([sys.executable, "-c", f"{code}\n{then}"], Path())


def test_pictures_come_in_bursts_and_are_made_once(shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "thumbs" / "person_1"
    write_snapshots(tmp_path / "made", 3 * BURST + 4, (100, 75), data)
    paths = sorted((tmp_path / "made").glob("*/*.jpg"), key=lambda path: path.name)
    names = [parse_snapshot_name(path.stem) for path in paths]
    assert [name and name[1:] for name in names] == [
        (1 + number // BURST, 1 + number % BURST) for number in range(3 * BURST + 4)
    ]
    assert len({path.parent.name for path in paths[::BURST]}) == 3
    first, second, other = (read_picture(paths[place]) for place in (0, 1, BURST))
    assert first.shape == (75, 100, 3)
    differences = [np.abs(first.astype(float) - one).mean() for one in (second, other)]
    assert 0.0 < differences[0] < differences[1]
    times = [path.stat().st_mtime_ns for path in paths]
    (tmp_path / "made" / FILE_NAME).touch()
    write_snapshots(tmp_path / "made", 3 * BURST + 4, (100, 75), data)
    forget_embeddings(tmp_path / "made")
    assert [path.stat().st_mtime_ns for path in paths] == times
    assert not (tmp_path / "made" / FILE_NAME).exists()


def test_memory_is_that_of_the_process_that_was_started() -> None:
    # From a small process, as the benchmark is: Linux counts what a parent held when it forked.
    code = (
        f"from {__name__} import allocate\nprint(*(allocate(one).megabytes for one in (600, 300)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    large, small = map(float, found.stdout.split())
    assert large - small == pytest.approx(300, abs=30)


def test_a_process_that_fails_says_why() -> None:
    found = allocate(1, "raise SystemExit('no such thing')")
    assert found.status == 1
    assert "no such thing" in found.describe()
