"""This project, as a user calls it: `train.py`, and the file that would run live.

The only place of the benchmark that knows our own command line. What is to be answered is given as
`--test-dataset`, so nothing of it is learnt from, and the split by bursts of the training
pictures alone serves whatever has to be chosen.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import onnxruntime

from benchmarks.baselines.exchange import Answer, Job, serve
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.model.classifier import Classifier

_ROOT = Path(__file__).resolve().parents[2]


def train_and_test(job: Job) -> Answer:
    """Run the whole command, then ask the model file."""
    with tempfile.TemporaryDirectory() as folder:
        training, test, output = (Path(folder) / part for part in ("training", "test", "model"))
        copy_pictures(job.training_folder, job.training_names, training)
        copy_pictures(job.test_folder, job.test_names, test)
        command = [sys.executable, str(_ROOT / "train.py"), str(training), "--mode", job.method]
        command += ["--output", str(output), "--test-dataset", str(test)]
        command += ["--seed", str(job.seed)]
        if job.effort != 1.0 and job.method != "head":
            command += ["--epochs", str(job.epochs(FinetuneSettings.epochs))]
        status = subprocess.run(command, check=False).returncode
        if status:  # the last line of the log is the reason, as a user sees it
            sys.exit(status)
        seconds = job.seconds()
        classifier = Classifier(output / "model.onnx")
        places = [classifier.card.labels.index(label) for label in job.labels]
        predictions = [classifier.classify(read_picture(path)) for path in job.test_paths()]
        details = json.loads((output / "metrics.json").read_text()).get("details", {})
        return Answer(
            [found.probabilities[places].tolist() for found in predictions],
            seconds,
            temperature=details.get("temperature"),
            unknown=[found.is_unknown for found in predictions],
            versions={"onnxruntime": onnxruntime.__version__},
        )


def copy_pictures(source: str, names: tuple[str, ...], target: Path) -> None:
    """Copy pictures under their own names, which say what was recorded together."""
    for name in names:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(source) / name, place)


if __name__ == "__main__":
    serve(train_and_test)
