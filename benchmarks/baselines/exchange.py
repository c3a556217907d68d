"""What goes into a child process that trains and classifies, and what comes out: two JSON files.

    $ python -m benchmarks.baselines.linear_probe JOB.json ANSWER.json

Every method is asked in this way, ours included, so all get the very same pictures and weights.
Nothing but the standard library is imported here: a baseline's environment may hold little else.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """What to train on, and what to classify.

    Attributes:
        method: The method's name, for modules that know several.
        labels: The names of the labels, in the order of the answers' probabilities.
        training_folder: Where the pictures to learn from are.
        training_names: Their paths below it: `label/.../picture`.
        test_folder: Where the pictures to classify are.
        test_names: Their paths below it. Their labels are in there too, and not to be used.
        seed: For whatever is random.
        effort: Share of the method's own number of epochs, 1 for all.
        weights: A .npz file with torchvision's `squeezenet1_1`, whole.
        started: When the process was started, in seconds as `time.time()` gives them.
    """

    method: str
    labels: tuple[str, ...]
    training_folder: str
    training_names: tuple[str, ...]
    test_folder: str
    test_names: tuple[str, ...]
    seed: int
    effort: float
    weights: str
    started: float = 0.0

    def training_paths(self) -> list[Path]:
        """The files to learn from."""
        return [Path(self.training_folder) / name for name in self.training_names]

    def test_paths(self) -> list[Path]:
        """The files to classify."""
        return [Path(self.test_folder) / name for name in self.test_names]

    def training_labels(self) -> list[int]:
        """The index of each training picture's label."""
        return [self.labels.index(Path(name).parts[0]) for name in self.training_names]

    def epochs(self, documented: int) -> int:
        """How many epochs to train: the documented number, or the wanted share of it."""
        return max(1, round(documented * self.effort))

    def seconds(self) -> float:
        """How long ago the process was started: call it when training is done."""
        return time.time() - self.started


@dataclass(frozen=True)
class Answer:
    """What a method said.

    Attributes:
        probabilities: For each test picture, one number for each label.
        seconds: From the start of the process to a trained model, imports included.
        says: The accuracy that the method reports of itself by its own split, 0 to 1; None where
            it reports none.
        temperature: What its logits were divided by to be calibrated; None where they were not.
        unknown: For each test picture, whether it is called unknown at the default threshold; None
            where the method knows no such answer.
        versions: Of the packages that matter.
        notes: What else is worth a line.
    """

    probabilities: list[list[float]]
    seconds: float
    says: float | None = None
    temperature: float | None = None
    unknown: list[bool] | None = None
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write(record: Job | Answer, path: Path) -> None:
    """Write a job or an answer as JSON."""
    path.write_text(json.dumps(dataclasses.asdict(record)))


def read_job(path: Path) -> Job:
    """Read what `write` wrote."""
    fields = json.loads(path.read_text())
    for name in ("labels", "training_names", "test_names"):
        fields[name] = tuple(fields[name])
    return Job(**fields)


def read_answer(path: Path) -> Answer:
    """Read what `write` wrote."""
    fields = json.loads(path.read_text())
    fields["notes"] = tuple(fields["notes"])
    return Answer(**fields)


def serve(train_and_test: Callable[[Job], Answer]) -> None:
    """Do the job that the command line names, and write the answer where it says.

    Args:
        train_and_test: The method.
    """
    job_path, answer_path = (Path(argument) for argument in sys.argv[1:])
    write(train_and_test(read_job(job_path)), answer_path)
