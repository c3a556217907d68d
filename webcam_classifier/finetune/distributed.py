"""Which of the processes of a distributed training this is, without torch.

`torchrun` starts several, numbers them, and says so in the environment.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


class PartIsDoneError(Exception):
    """This process trained along with the first one, which does the rest; it has nothing to do."""


def world_size() -> int:
    """How many processes train together; 1 where `torchrun` started none."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Which of those on this machine this is, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextlib.contextmanager
def silence_other_ranks() -> Iterator[None]:
    """Keep all processes but the first from printing; errors are printed outside of this."""
    if rank() == 0:
        yield
        return
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield
