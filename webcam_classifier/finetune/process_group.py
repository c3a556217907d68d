"""Train in several processes as in one: what they tell each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from webcam_classifier.errors import UserError
from webcam_classifier.finetune.distributed import process_count, process_number


@dataclass(frozen=True)
class Ranks:
    """The processes that train together; without `torchrun` this one alone.

    Attributes:
        number: Of this one, from 0.
        count: How many there are.
        device: What this one computes on.
    """

    number: int
    count: int
    device: torch.device

    @property
    def _meeting_device(self) -> torch.device:
        """Where numbers are exchanged: NCCL takes them on the card, and gloo on the processor.

        So no float64 reaches Apple's `mps`, which has none.
        """
        return self.device if self.device.type == "cuda" else torch.device("cpu")

    @property
    def is_first(self) -> bool:
        """Whether this one measures, speaks and writes."""
        return self.number == 0

    def rows(self, batch: int) -> NDArray[np.int64]:
        """Give the rows of a batch that are this one's share."""
        return np.array_split(np.arange(batch), self.count)[self.number]

    def wrap(self, model: nn.Module) -> nn.Module:
        """Give a network that adds up all processes' gradients, and starts as the first one's."""
        if self.count == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices)

    def keep_apart(self, wrapped: nn.Module) -> AbstractContextManager[None]:
        """Give a context in which gradients stay in this process for now."""
        if isinstance(wrapped, DistributedDataParallel):
            apart: AbstractContextManager[None] = wrapped.no_sync()
            return apart
        return nullcontext()

    def share_tensors(self, tensors: Iterable[torch.Tensor]) -> None:
        """Overwrite tensors with the first process's."""
        if self.count > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, src=0)

    def share_numbers(self, numbers: list[float]) -> list[float]:
        """Give the first process's numbers; all have to give as many."""
        if self.count == 1:
            return numbers
        # 64 bits, so that seconds and lengths stay exact.
        shared = torch.tensor(numbers, dtype=torch.float64, device=self._meeting_device)
        self.share_tensors([shared])
        return [float(number) for number in shared]

    def share_bytes(self, content: bytes | None) -> bytes | None:
        """Give the first process's bytes."""
        if self.count == 1:
            return content
        (length,) = self.share_numbers([-1.0 if content is None else float(len(content))])
        if length < 0:
            return None
        values = np.zeros(int(length), dtype=np.uint8)
        if self.is_first and content is not None:
            values = np.frombuffer(content, dtype=np.uint8).copy()
        shared = torch.from_numpy(values).to(self._meeting_device)
        self.share_tensors([shared])
        return shared.cpu().numpy().tobytes()

    def smallest(self, number: int) -> int:
        """Give the smallest of all processes' numbers."""
        if self.count == 1:
            return number
        values = torch.tensor([number], dtype=torch.int64, device=self._meeting_device)
        torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MIN)
        return int(values[0])

    def total(self, number: float) -> float:
        """Give the sum of all processes' numbers."""
        if self.count == 1:
            return number
        values = torch.tensor([number], dtype=torch.float32, device=self._meeting_device)
        torch.distributed.all_reduce(values)
        return float(values[0])


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[Ranks]:
    """Meet the other processes that `torchrun` started, where it did.

    Args:
        device: What this one computes on.

    Raises:
        UserError: Another one ended while this one waited for it.
    """
    count = process_count()
    if count == 1:
        yield Ranks(0, 1, device)
        return
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(process_number(), count, device)
    except RuntimeError as error:
        if not isinstance(error, torch.distributed.DistError) and "gloo" not in str(error):
            raise
        raise UserError(
            f"One of the {count} processes that train together has ended. See what it said; "
            "--resume goes on from the last whole epoch."
        ) from error
    finally:
        torch.distributed.destroy_process_group()
