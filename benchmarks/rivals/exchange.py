"""What goes into a child process that teaches and answers, and what comes out: two JSON files.

    $ python -m benchmarks.rivals.linear_probe JOB.json ANSWER.json

Every method is asked in this way, ours included, so all get the very same pictures and weights.
Nothing but the standard library is imported here: a rival's environment may hold little else.
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
    """What to learn from, and what to answer.

    Attributes:
        method: The method's name, for modules that know several.
        labels: The names of the labels, in the order of the answers' probabilities.
        taught_folder: Where the pictures to learn from are.
        taught_names: Their paths below it: `label/.../picture`.
        asked_folder: Where the pictures to be answered are.
        asked_names: Their paths below it. Their labels are in there too, and not to be looked at.
        seed: For whatever is random.
        effort: Share of the method's own number of epochs, 1 for all.
        weights: A .npz file with torchvision's `squeezenet1_1`, whole.
        started: When the process was started, in seconds as `time.time()` gives them.
    """

    method: str
    labels: tuple[str, ...]
    taught_folder: str
    taught_names: tuple[str, ...]
    asked_folder: str
    asked_names: tuple[str, ...]
    seed: int
    effort: float
    weights: str
    started: float = 0.0

    def taught_paths(self) -> list[Path]:
        """The files to learn from."""
        return [Path(self.taught_folder) / name for name in self.taught_names]

    def asked_paths(self) -> list[Path]:
        """The files to answer."""
        return [Path(self.asked_folder) / name for name in self.asked_names]

    def taught_labels(self) -> list[int]:
        """The index of each taught picture's label."""
        return [self.labels.index(Path(name).parts[0]) for name in self.taught_names]

    def epochs(self, documented: int) -> int:
        """How many epochs to train: the documented number, or the wanted share of it."""
        return max(1, round(documented * self.effort))

    def seconds(self) -> float:
        """How long ago the process was started: call it when teaching is done."""
        return time.time() - self.started


@dataclass(frozen=True)
class Answer:
    """What a method said.

    Attributes:
        probabilities: For each asked picture, one number for each label.
        seconds: From the start of the process to a taught model, imports included.
        says: The accuracy that the method reports of itself by its own split, 0 to 1; None where
            it reports none.
        temperature: What its logits were divided by to be calibrated; None where they were not.
        versions: Of the packages that matter.
        notes: What else is worth a line.
    """

    probabilities: list[list[float]]
    seconds: float
    says: float | None = None
    temperature: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write(record: Job | Answer, path: Path) -> None:
    """Write a job or an answer as JSON."""
    path.write_text(json.dumps(dataclasses.asdict(record)))


def read_job(path: Path) -> Job:
    """Read what `write` wrote."""
    fields = json.loads(path.read_text())
    for name in ("labels", "taught_names", "asked_names"):
        fields[name] = tuple(fields[name])
    return Job(**fields)


def read_answer(path: Path) -> Answer:
    """Read what `write` wrote."""
    fields = json.loads(path.read_text())
    fields["notes"] = tuple(fields["notes"])
    return Answer(**fields)


def serve(teach_and_ask: Callable[[Job], Answer]) -> None:
    """Do the job that the command line names, and write the answer where it says.

    Args:
        teach_and_ask: The method.
    """
    job_path, answer_path = (Path(argument) for argument in sys.argv[1:])
    write(teach_and_ask(read_job(job_path)), answer_path)
