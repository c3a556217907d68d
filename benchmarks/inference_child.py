"""One way from a frame to a label, in a process of its own: the child's side.

    $ python -m benchmarks.inference_child < REQUEST

One JSON line comes in: the way, the folder with models and frames, and the number of threads. One
goes out with the answers to all frames; then each further line asks for one more round of runs.
Some ways run in an environment that holds little but numpy, OpenCV and the runtime itself, so
nothing else is imported before it is known which way it is.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.inference_request import Request
from benchmarks.inference_ways import WAYS

_WARM_UP, _RUNS = 5, 25


def main() -> None:
    """Answer, then time round by round."""
    fields = json.loads(sys.stdin.readline())
    request = Request(Path(fields["folder"]), fields["variant"], fields["threads"])
    frames = list(np.load(request.folder / "frames.npy"))
    classify = WAYS[fields["way"]].make(request)
    answers = [np.asarray(classify(frame), dtype=np.float64).ravel().tolist() for frame in frames]
    print(json.dumps({"answers": answers}), flush=True)
    for _ in sys.stdin:
        seconds = []
        for index in range(_WARM_UP + _RUNS):
            started = time.perf_counter()
            classify(frames[index % len(frames)])
            seconds.append(time.perf_counter() - started)
        found = statistics.median(seconds[_WARM_UP:])
        print(json.dumps({"milliseconds": 1000.0 * found}), flush=True)


if __name__ == "__main__":
    main()
