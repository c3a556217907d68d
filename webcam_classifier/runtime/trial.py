"""Try one runtime of a model in its own process, and time it round by round.

A provider that crashes ends only that process, what it has loaded is freed with it, and its
spinning threads slow down nothing else.

The parent sends lines, and the child answers each with a line of JSON. The first line is JSON too:
the model, the runtime and a file of pictures; the child opens the graph and does not answer. The
next line asks for the answers to the pictures, and each further line for one more round of timing.
So several processes can open their graphs at the same time, but only one at a time computes.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.runtime.error_summary import summarise_error
from webcam_classifier.runtime.providers import ExecutionConfig
from webcam_classifier.runtime.session import ModelSession, open_model

OPENS_WITHIN = 60.0  # seconds; a provider that takes longer is not worth waiting for
REFERENCE_WITHIN = 600.0  # seconds; nothing can be chosen without the reference, so it gets longer
_WARM_UP, _RUNS = 3, 12


class RuntimeTrial:
    """The parent's side: one runtime in its own process, which ends with the context.

    Args:
        model: The file.
        runtime: How to run it.
        pictures: A .npy file of prepared pictures, (pictures, size, size, 3) uint8.
        output: The name of the graph's output that is asked for.
        patience: Seconds to open the graph and answer all pictures.

    Attributes:
        runtime: As above.
        problem: Why it can't be used, as a sentence; empty while it can.
        seconds: The shortest run of each round.
    """

    def __init__(
        self,
        model: Path,
        runtime: ExecutionConfig,
        pictures: Path,
        output: str,
        patience: float = OPENS_WITHIN,
    ) -> None:
        self.runtime = runtime
        self.problem = ""
        self.seconds: list[float] = []
        self._patience = patience
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # drivers are noisy; the answers come as JSON
            cwd=Path(__file__).parents[2],
            encoding="utf-8",
            errors="replace",
        )
        request = {
            "model": str(model.resolve()),
            "runtime": dataclasses.asdict(runtime),
            "pictures": str(pictures),
            "output": output,
        }
        self._send(json.dumps(request))

    def answers(self) -> NDArray[np.float32] | None:
        """Ask for the answers to all pictures.

        Returns:
            (pictures, labels) float32; None if it can't run, and `problem` says why.
        """
        self._send("answer")
        said = self._receive()
        if "answers" not in said:
            self.problem = str(said.get("problem", "its process ended"))
            return None
        return np.array(said["answers"], dtype=np.float32)

    def time_round(self) -> None:
        """Time a few runs, and add the shortest to `seconds`; if it fails, `problem` says why."""
        self._send("again")
        said = self._receive()
        if "seconds" in said:
            self.seconds.append(float(said["seconds"]))
        else:
            self.problem = f"timing it failed: {said.get('problem', 'its process ended')}"

    @property
    def milliseconds(self) -> float:
        """The time of the best round, which other work on the device disturbed least."""
        return 1000.0 * min(self.seconds, default=float("inf"))

    def __enter__(self) -> RuntimeTrial:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # the process ended before it read the last line
        self._process.wait()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.problem = "its process ended"

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watch = threading.Timer(self._patience, self._process.kill)
        watch.start()
        try:
            # Drivers print to stdout too; such lines are passed over.
            message = next((found for found in map(_message, self._process.stdout) if found), None)
        finally:
            watch.cancel()
        if message is None:
            return {"problem": f"its process ended, or took over {self._patience:.0f} seconds"}
        return message


def main() -> None:
    """Run the child's side."""
    request = json.loads(sys.stdin.readline())
    pictures = np.load(request["pictures"])
    output = request["output"]
    try:
        session = open_model(Path(request["model"]), ExecutionConfig(**request["runtime"]))
        session.run(pictures[:1])  # the slow first one
        sys.stdin.readline()
        answers = [session.run(picture[np.newaxis])[output][0].tolist() for picture in pictures]
    except UserError as error:
        _say({"problem": str(error)})
        return
    except Exception as error:  # a driver may raise anything
        _say({"problem": summarise_error(error)})
        return
    _say({"answers": answers})
    for _ in sys.stdin:
        _say({"seconds": time_once(session, pictures[:1])})


def time_once(session: ModelSession, pixels: NDArray[np.uint8]) -> float:
    """Return the shortest of a few runs in seconds: the longer ones only show other work."""
    seconds = []
    for _ in range(_WARM_UP + _RUNS):
        started = time.perf_counter()
        session.run(pixels)
        seconds.append(time.perf_counter() - started)
    return min(seconds[_WARM_UP:])


def _say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


def _message(line: str) -> dict[str, Any] | None:
    """What `_say` wrote; None for a line of anybody else."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


if __name__ == "__main__":
    main()
