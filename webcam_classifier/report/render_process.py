"""Draw a report in a separate process with the lowest priority."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

from webcam_classifier.priority import NICENESS
from webcam_classifier.report.findings import Findings
from webcam_classifier.report.render import render_report


def render_in_process(findings: Findings, title: str) -> str:
    """Draw what `render_report` draws, without holding up this process's other threads.

    Args:
        findings: What the report shows.
        title: Of the report.

    Raises:
        RuntimeError: The process came to an end before its time.
    """
    package = Path(__file__).resolve().parents[2]
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        # A pickle from this very program, through a pipe that nobody else writes to.
        input=pickle.dumps((findings, title)),
        capture_output=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"the report could not be drawn: {' '.join(last)}")
    return done.stdout.decode()


def _main() -> None:
    if hasattr(os, "nice"):  # not on Windows
        os.nice(NICENESS)
    findings, title = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(render_report(findings, title).encode("utf-8", "replace"))


if __name__ == "__main__":
    _main()
