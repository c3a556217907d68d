"""Baselines for the tests of the accuracy benchmark: they read the truth off the asked names."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from benchmarks.baselines.exchange import Answer, Job, serve


def train_and_test(job: Job) -> Answer:
    if job.method == "broken":
        sys.exit("this baseline is broken")
    if job.method == "slow":
        (Path(job.training_folder) / "started").write_text(str(os.getpid()))
        time.sleep(600)
    truths = [job.labels.index(Path(name).parts[0]) for name in job.test_names]
    rows = [[float(label == truth) for label in range(len(job.labels))] for truth in truths]
    return Answer(rows if job.method == "right" else [row[::-1] for row in rows], job.seconds())


if __name__ == "__main__":
    serve(train_and_test)
