"""A kill at any moment never leaves a file that the tools can't read."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.coloured_pictures import write_coloured_pictures
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.model.classifier import Classifier

_ROOT = Path(__file__).resolve().parents[1]
_COLLECT_KILLS = 35
_TRAIN_KILLS = 15
_AT_ONCE = 3


def start(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(_ROOT / script), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_at_random_moments(
    running: Sequence[subprocess.Popen[bytes]], earliest: float, latest: float, seed: int
) -> None:
    """Kill each process after its own delay in seconds."""
    generator = random.Random(seed)
    started = time.monotonic()
    for delay in sorted(generator.uniform(earliest, latest) for _ in running):
        time.sleep(max(0.0, started + delay - time.monotonic()))
        alive = [process for process in running if process.poll() is None]
        if alive:
            alive[0].kill()
            alive[0].wait()


@pytest.mark.timeout(300)
def test_killing_collect_leaves_only_whole_pictures(tmp_path: Path) -> None:
    source = ("--source", "demo:thumbs_up", "--no-window", "--rate", "30", "--keep-all")
    saved = sessions = 0
    for group in range(0, _COLLECT_KILLS, _AT_ONCE):
        running = [
            start("collect.py", "thumbs_up", *source, "--dataset", str(tmp_path))
            for _ in range(min(_AT_ONCE, _COLLECT_KILLS - group))
        ]
        sessions += len(running)
        while len({path.name.split("-")[0] for path in tmp_path.rglob("*.jpg")}) < sessions:
            assert all(process.poll() is None for process in running)
            time.sleep(0.02)  # a busy machine takes long to start them
        kill_at_random_moments(running, 0.0, 1.0, seed=group)
        pictures = load_labelled_pictures(tmp_path, 64)
        assert pictures.skipped == ()
        assert len(pictures) >= saved
        saved = len(pictures)
    assert saved > _COLLECT_KILLS


@pytest.mark.timeout(300)
def test_killing_train_leaves_no_model_or_a_whole_one(
    tmp_path: Path, squeezenet_weights: Path
) -> None:
    pictures = tmp_path / "pictures"
    write_coloured_pictures(pictures, count=12)
    output = tmp_path / "model"
    arguments = [str(pictures), "--output", str(output), "--input-size", "64"]
    arguments += ["--weights", str(squeezenet_weights), "--mode", "head"]
    whole = time.monotonic()
    assert start("train.py", *arguments).wait() == 0
    whole = time.monotonic() - whole
    for kill in range(_TRAIN_KILLS):
        # Writing is at the end: most kills fall there, the rest anywhere.
        earliest = 0.7 * whole if kill % 3 else 0.0
        kill_at_random_moments([start("train.py", *arguments)], earliest, 1.1 * whole, seed=kill)
        assert Classifier(output / "model.onnx").card.labels == ("blue", "red")
        assert json.loads((output / "metrics.json").read_text())["count"] > 0
