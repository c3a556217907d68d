"""Write down what a model file answers on this machine, step by step, for `compare.py`.

    python -m tests.emulated.answers MODEL PICTURES OUT.npz [--most N] [--optimised]

Each picture is noted as it was decoded and as it was prepared (as hashes), with its probabilities
and its score of unknown, so that where two machines part can be told.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.cli.console import run_script
from webcam_classifier.dataset.picture_files import is_picture_name, read_picture
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.progress import Stage, track
from webcam_classifier.runtime.providers import CPU, ExecutionConfig
from webcam_classifier.runtime.untrusted_model import note_as_ours


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--most", type=int, default=0, help="pictures, evenly over all; 0 is all")
    parser.add_argument(
        "--optimised", action="store_true", help="run the graph that is written for this processor"
    )
    options = parser.parse_args()
    note_as_ours(options.model.read_bytes())  # its trial has 15 seconds, too few for an emulator
    classifier = Classifier(options.model, ExecutionConfig(CPU, is_optimised=options.optimised))
    names, found = [], []
    started = time.perf_counter()
    for path in track(Stage.EVALUATE, spread(options.pictures, options.most)):
        image = read_picture(path)
        prepared = classifier.prepare(image).copy()
        prediction = classifier.classify_prepared(prepared)
        names.append(str(path.relative_to(options.pictures)))
        found.append((_digest(image), _digest(prepared), prediction))
    seconds = time.perf_counter() - started
    np.savez(
        options.out,
        labels=np.array(found[0][2].labels),
        names=np.array(names),
        decoded=np.array([entry[0] for entry in found]),
        prepared=np.array([entry[1] for entry in found]),
        probabilities=np.stack([entry[2].probabilities for entry in found]),
        unknown_scores=np.array([entry[2].unknown_score for entry in found]),
    )
    print(f"{options.model.name}: {len(found)} pictures in {seconds:.0f} s", file=sys.stderr)


def spread(folder: Path, most: int) -> list[Path]:
    """Return the pictures of a folder, at most so many of them, evenly over all; 0 is all."""
    paths = sorted(path for path in folder.rglob("*") if is_picture_name(path))
    if not most or most >= len(paths):
        return paths
    return [paths[place] for place in np.linspace(0, len(paths) - 1, most).round().astype(int)]


def _digest(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    run_script(main)
