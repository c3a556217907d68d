"""What each further region costs: processor time of the labels of a frame.

    $ python -m benchmarks.regions models/gate/model.onnx

One thread, as its processor time says the same on a machine that has other work. The variants are
asked in turn about each frame.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from webcam_classifier.camera.scene import draw_scene
from webcam_classifier.cli.live_process import live_process
from webcam_classifier.crop import Crop
from webcam_classifier.live.region import PartClassifier, Region, RegionLabeller
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.runtime.providers import ExecutionConfig

_VARIANTS = ((1, 1), (2, 2), (4, 4), (4, 1))
"""How many regions, and how many model files they share."""

_SMOOTHING = 0.15  # seconds, as `live` has it
_RATE = 30  # frames a second


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    options = parser.parse_args(arguments)
    with live_process(), tempfile.TemporaryDirectory() as folder:
        labellers = [
            open_regions(options.model, regions, files, Path(folder))
            for regions, files in _VARIANTS
        ]
        spent: list[list[float]] = [[] for _ in _VARIANTS]
        for index in range(options.frames):
            image = draw_scene("all", 0, index)
            for place, regions in enumerate(labellers):
                before = time.thread_time()
                for labeller in regions:
                    labeller.smoothed(labeller.ask(image).prediction, index / _RATE)
                spent[place].append(1000 * (time.thread_time() - before))
    print("regions  files   processor ms, median   5th percentile")
    for (regions_count, files), each in zip(_VARIANTS, spent, strict=True):
        median, low = np.percentile(each, (50, 5))
        print(f"{regions_count:7} {files:6} {median:22.1f} {low:16.1f}")


def open_regions(model: Path, regions: int, files: int, folder: Path) -> list[RegionLabeller]:
    """Open so many regions, each at another place, over so many copies of a model file."""
    classifiers = []
    for number in range(files):
        copy = folder / f"{regions}-{files}-{number}.onnx"
        shutil.copyfile(model, copy)
        classifiers.append(Classifier(copy, ExecutionConfig(threads=1)))
        classifiers[-1].warm_up()
    return [
        RegionLabeller(
            Region(
                str(number),
                PartClassifier(classifiers[number % files], Crop(0.1 * number, 0.0, 0.5, 0.9)),
            ),
            _SMOOTHING,
        )
        for number in range(regions)
    ]


if __name__ == "__main__":
    main()
