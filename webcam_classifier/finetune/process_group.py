"""Train in several processes as in one: the collective operations between them."""

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
from webcam_classifier.finetune.distributed import rank, world_size


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that train together; without `torchrun`, only this one.

    Attributes:
        rank: Of this one, from 0.
        world_size: How many there are.
        device: What this one computes on.
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def _meeting_device(self) -> torch.device:
        """Where numbers are exchanged: NCCL takes them on the card, and gloo on the processor.

        So no float64 reaches Apple's `mps`, which has none.
        """
        return self.device if self.device.type == "cuda" else torch.device("cpu")

    @property
    def is_first(self) -> bool:
        """Whether this is the first process, which evaluates, prints and writes."""
        return self.rank == 0

    def shard(self, batch: int) -> NDArray[np.int64]:
        """This process's rows of a batch of that size, (rows,) int64."""
        return np.array_split(np.arange(batch), self.world_size)[self.rank]

    def wrap(self, model: nn.Module) -> nn.Module:
        """Wrap a network to average all processes' gradients; it starts as the first one's."""
        if self.world_size == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices)

    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[None]:
        """A context in which gradients are accumulated in this process alone."""
        if isinstance(wrapped, DistributedDataParallel):
            apart: AbstractContextManager[None] = wrapped.no_sync()
            return apart
        return nullcontext()

    def broadcast_tensors(self, tensors: Iterable[torch.Tensor]) -> None:
        """Overwrite tensors with the first process's."""
        if self.world_size > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, src=0)

    def broadcast_numbers(self, numbers: list[float]) -> list[float]:
        """The first process's numbers; all have to pass as many."""
        if self.world_size == 1:
            return numbers
        # 64 bits, so that seconds and lengths stay exact.
        shared = torch.tensor(numbers, dtype=torch.float64, device=self._meeting_device)
        self.broadcast_tensors([shared])
        return [float(number) for number in shared]

    def broadcast_bytes(self, content: bytes | None) -> bytes | None:
        """The first process's bytes, whatever the others pass."""
        if self.world_size == 1:
            return content
        (length,) = self.broadcast_numbers([-1.0 if content is None else float(len(content))])
        if length < 0:
            return None
        values = np.zeros(int(length), dtype=np.uint8)
        if self.is_first and content is not None:
            values = np.frombuffer(content, dtype=np.uint8).copy()
        shared = torch.from_numpy(values).to(self._meeting_device)
        self.broadcast_tensors([shared])
        return shared.cpu().numpy().tobytes()

    def minimum(self, number: int) -> int:
        """The smallest of all processes' numbers."""
        if self.world_size == 1:
            return number
        values = torch.tensor([number], dtype=torch.int64, device=self._meeting_device)
        torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MIN)
        return int(values[0])

    def sum(self, number: float) -> float:
        """The sum of all processes' numbers."""
        if self.world_size == 1:
            return number
        values = torch.tensor([number], dtype=torch.float32, device=self._meeting_device)
        torch.distributed.all_reduce(values)
        return float(values[0])


@contextmanager
def join_process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Join the other processes that `torchrun` started, if it did.

    Args:
        device: What this one computes on.

    Raises:
        UserError: Another process ended while this one waited for it.
    """
    count = world_size()
    if count == 1:
        yield ProcessGroup(0, 1, device)
        return
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(rank(), count, device)
    except RuntimeError as error:
        if not isinstance(error, torch.distributed.DistError) and "gloo" not in str(error):
            raise
        raise UserError(
            f"One of the {count} processes that train together has ended. See its message; "
            "--resume continues from the last complete epoch."
        ) from error
    finally:
        torch.distributed.destroy_process_group()
