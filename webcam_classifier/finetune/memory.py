"""The micro-batch size: how many pictures go through a network together, as memory allows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from webcam_classifier.errors import UserError

_logger = logging.getLogger(__name__)

_USABLE = 0.8  # share of the free memory that is planned with
_COPIES = 6  # of all parameters: gradients, two moments, the mean, the best, and one on its way
# What torch's processor code and its library oneDNN say, which have no error of their own for it.
_CPU_MESSAGES = ("not enough memory", "can't allocate memory", "could not create a ")
_TOO_SMALL = (
    "The memory is too small for this network. Take smaller pictures (--input-size 160), a smaller "
    "network (--backbone squeezenet1_1), or close other programs."
)

Made = TypeVar("Made")


class MicroBatch:
    """Runs work on as many pictures together as fit into memory, and finds that number.

    A batch that does not fit is split into micro-batches, whose gradients are accumulated.

    Args:
        size: How many pictures to begin with.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._oldest = torch.zeros((), requires_grad=True) * 1.0

    def run(self, work: Callable[[int], Made]) -> Made:
        """Do the work; if memory runs out, start it again with half as many pictures.

        Args:
            work: Called with how many pictures it may take together.

        Raises:
            UserError: A single picture is too much.
        """
        while True:
            try:
                return work(self.size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._halve()  # out here the error no longer keeps the work's own memory

    def _halve(self) -> None:
        # Where a gradient broke off, torch's queue still holds what was to come, and all of its
        # memory. The youngest goes first in that queue, so one older than all clears it.
        torch.autograd.backward(self._oldest, retain_graph=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self.size == 1:
            raise UserError(_TOO_SMALL)
        fewer = self.size // 2
        _logger.warning(
            "out of memory with a micro-batch of %d: going on with %d, to the same result",
            self.size,
            fewer,
        )
        self.size = fewer


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(message in str(error) for message in _CPU_MESSAGES)


@contextmanager
def explained_memory() -> Iterator[None]:
    """Raise an understandable error if memory ran out and no smaller batch helped.

    Raises:
        UserError: Memory was out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(_TOO_SMALL) from error


def fitting_micro_batch_size(
    wanted: int, free: int | None, parameter_bytes: int, bytes_a_picture: int
) -> int:
    """Halve a micro-batch until it fits into memory.

    Args:
        wanted: How many pictures would be best.
        free: Bytes of memory; None where it is not known.
        parameter_bytes: Of the whole network.
        bytes_a_picture: From `training_bytes`.

    Returns:
        At least 1.
    """
    if free is None:
        return wanted
    room = free * _USABLE - parameter_bytes * _COPIES
    while wanted > 1 and wanted * bytes_a_picture > room:
        wanted //= 2
    return wanted


def training_bytes(model: nn.Module, input_size: int) -> int:
    """Count the bytes that one picture needs in training: the activations for its gradient.

    Nothing is computed for it: torch's `meta` tensors have shapes and no numbers.

    Args:
        model: Takes pixels (N, size, size, 3) uint8.
        input_size: The side of the square picture, in pixels.
    """
    # Parameters are kept too, whatever the number of pictures: the difference is without them.
    return max(0, _kept_bytes(model, input_size, 2) - _kept_bytes(model, input_size, 1))


def _kept_bytes(model: nn.Module, input_size: int, pictures: int) -> int:
    kept = 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    shapes = {
        name: tensor.detach().to("meta").requires_grad_(tensor.requires_grad)
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
    }
    pixels = torch.zeros((pictures, input_size, input_size, 3), dtype=torch.uint8, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        torch.func.functional_call(model, shapes, (pixels,))
    return kept


def free_bytes(device: torch.device) -> int | None:
    """The free memory of a device, in bytes; None if it is not known."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    limits = [limit for limit in (_system_bytes(), _container_bytes()) if limit is not None]
    return min(limits, default=None)


def _system_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None  # no Linux
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _container_bytes() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit = int((folder / "memory.max").read_text(encoding="ascii"))
        return limit - int((folder / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # ValueError: "max", which is no limit
        return None
