"""Choose the device for torch, processor or GPU, and the best settings for it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from webcam_classifier.errors import UserError

_MOST_THREADS = 8  # that make views; no graphics card here was found to wait for more


@dataclass(frozen=True)
class DeviceTraits:
    """The properties of a device that decide its settings.

    Attributes:
        kind: `cpu`, `cuda` or `mps`.
        has_bfloat16: Whether it computes with 16-bit floats that have a 32-bit float's range.
        cores: Of the processor that makes the views.
    """

    kind: str
    has_bfloat16: bool
    cores: int


@dataclass(frozen=True)
class DeviceUse:
    """The settings of a device.

    Attributes:
        precision: What the network computes in where that is safe: `float32`, or a 16-bit format
            with torch's automatic mixed precision.
        scales_loss: Whether the loss is scaled, so that small gradients don't vanish in `float16`.
        channels_last: Whether a pixel's channels are adjacent in memory.
        pins_memory: Whether batches are in pinned memory, from which the GPU can copy by itself.
        view_threads: How many threads make views while the network computes.
    """

    precision: torch.dtype
    scales_loss: bool
    channels_last: bool
    pins_memory: bool
    view_threads: int


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device with this name, or for `auto` the fastest one.

    Args:
        name: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        local_rank: Of this process on this machine, from 0; each uses its own GPU.

    Raises:
        UserError: It is unknown, or this machine has none, or torch can't use it.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available()}
    present["mps"] = torch.backends.mps.is_available()
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if present[kind])
    kind = name.partition(":")[0]
    if kind not in present:
        raise UserError(f"There is no device {name!r}. Choose auto, cpu, cuda, or mps.")
    try:
        device = torch.device("cuda", local_rank) if name == "cuda" else torch.device(name)
        if present[kind]:
            torch.zeros(1, device=device)
            return device
    except RuntimeError:
        pass  # such as cuda:7 on a machine with one
    raise UserError(
        f"The device {name!r} can't be used: this torch sees none. Use --device auto, or install "
        "a torch that was built for it."
    )


def describe_device(device: torch.device) -> DeviceTraits:
    """Query the properties of a device."""
    has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    if device.type == "cpu":
        has_bfloat16 = _processor_multiplies_bfloat16()
    return DeviceTraits(
        kind=device.type,
        has_bfloat16=has_bfloat16,
        cores=os.cpu_count() or 1,
    )


def choose_use(traits: DeviceTraits) -> DeviceUse:
    """Choose the settings of a device. Those for `cuda` and `mps` have not been run on one yet."""
    if traits.kind == "cuda":
        return DeviceUse(
            precision=torch.bfloat16 if traits.has_bfloat16 else torch.float16,
            scales_loss=not traits.has_bfloat16,
            channels_last=True,
            pins_memory=True,
            view_threads=min(_MOST_THREADS, max(1, traits.cores - 1)),
        )
    is_mixed = traits.kind == "cpu" and traits.has_bfloat16  # a step in 0.6 of the time
    return DeviceUse(
        precision=torch.bfloat16 if is_mixed else torch.float32,
        scales_loss=False,
        channels_last=traits.kind == "cpu",  # a third faster there
        pins_memory=False,
        view_threads=max(1, min(_MOST_THREADS, traits.cores // 4)),  # the network needs the rest
    )


def _processor_multiplies_bfloat16() -> bool:
    """Whether it has matrix units for that (Intel's AMX); without them 16 bits are slower than 32.

    A version of torch that can't tell counts as having none.
    """
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16", False))


def allow_fast_products(device: torch.device) -> None:
    """Allow TF32 on a GPU: it rounds inputs of 32-bit products and is far faster; not yet run."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
