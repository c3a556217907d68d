"""The process in which a model file from elsewhere is opened and run for the first time.

Its argument is the file's path. It prints one line of JSON that says what is wrong with the file,
empty if nothing is. Where the system can limit its memory, it ends without printing anything when
it needs more.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from webcam_classifier.errors import UserError
from webcam_classifier.model_card import TRAIN_HINT
from webcam_classifier.runtime.error_summary import summarise_error
from webcam_classifier.runtime.graph_contract import check_answer, check_graph
from webcam_classifier.runtime.providers import CPU, ExecutionConfig
from webcam_classifier.runtime.session import card_in, open_session

_MEMORY = 700_000_000
"""Bytes of memory that a model may take, in addition to four times the size of its file."""


def trial_problem(path: Path) -> str:
    """Open a file and run it on three pictures.

    Args:
        path: A model file.

    Returns:
        What is wrong with it; empty if nothing is.
    """
    try:
        session = open_session(path, ExecutionConfig(CPU, 1))
        card = card_in(session, path)
        check_graph(session, card, path)
        shape = (1, card.input_size, card.input_size, 3)
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        for pixels in (np.full(shape, 127, np.uint8), noise, np.zeros(shape, np.uint8)):
            check_answer(session.run(pixels), len(card.labels), path)
    except UserError as error:
        return str(error)
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        return f"{path} could not be run ({summarise_error(error)}). {TRAIN_HINT}"
    return ""


def trial_memory(path: Path) -> int:
    """Return how many bytes of memory a file's trial may take in addition to the libraries.

    Args:
        path: A model file.
    """
    return _MEMORY + 4 * path.stat().st_size


def limit_memory(size: int) -> None:
    """Limit the address space of this process, where the system can do that.

    Args:
        size: Bytes in addition to what it has now.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + size
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return  # not Linux: only the time is limited


def main() -> None:
    """Try the file that is named on the command line."""
    path = Path(sys.argv[1])
    limit_memory(trial_memory(path))
    print(json.dumps({"problem": trial_problem(path)}))


if __name__ == "__main__":
    main()
