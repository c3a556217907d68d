"""Describe this device: measurements made on it are not valid for another one."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

_NVIDIA_ANSWERS_WITHIN = 5.0  # seconds
_ARM_CORES = {
    "0xd03": "Cortex-A53", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1",
    "0xd0d": "Cortex-A77", "0xd40": "Neoverse-V1", "0xd41": "Cortex-A78", "0xd42": "Cortex-A78AE",
    "0xd49": "Neoverse-N2", "0xd4f": "Neoverse-V2",
}  # fmt: skip
"""Part numbers of Arm's own cores, from its technical reference manuals (register MIDR_EL1)."""


def device_name() -> str:
    """Return the names of the board (if it has one), the CPU with its cores, and the GPUs."""
    parts = [_board(), f"{_processor()} with {physical_cores()} cores", _graphics()]
    return ", ".join(part for part in parts if part)


def physical_cores() -> int:
    """Count the cores that this process may use; two threads of one core count once."""
    allowed = _allowed_processors()
    cores = set()
    for number in allowed:
        siblings = _read(Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list"))
        cores.add(siblings or str(number))
    return len(cores)


def _allowed_processors() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def is_x86() -> bool:
    """Whether this is a 64-bit x86 CPU; systems have several names for it."""
    return platform.machine().lower() in {"x86_64", "amd64"}


def is_arm() -> bool:
    """Whether this is a 64-bit ARM CPU; systems have several names for it."""
    return platform.machine().lower() in {"aarch64", "arm64"}


def processor_in(cpuinfo: str) -> str:
    """Return the name of the CPU that Linux describes.

    Args:
        cpuinfo: The content of /proc/cpuinfo.

    Returns:
        Its name; empty if it has none there.
    """
    lines = [line.partition(":") for line in cpuinfo.splitlines()]
    facts = [(key.strip(), value.strip()) for key, _, value in lines]
    for key, value in facts:
        if key == "model name":
            return value
    # Linux on ARM has no such line, but numbers for each core, which may be of several kinds.
    makers = [value for key, value in facts if key == "CPU implementer"]
    parts = [value for key, value in facts if key == "CPU part"]
    if makers and len(makers) == len(parts):
        kinds = {_core(maker, part) for maker, part in zip(makers, parts, strict=True)}
        return " and ".join(sorted(kinds))
    return ""


def _processor() -> str:
    return processor_in(_read(Path("/proc/cpuinfo"))) or platform.processor() or platform.machine()


def _core(maker: str, part: str) -> str:
    by_number = f"ARM core {maker}:{part}"
    return _ARM_CORES.get(part, by_number) if maker == "0x41" else by_number


def _board() -> str:
    return _read(Path("/proc/device-tree/model")).rstrip("\0")  # a Jetson or a Raspberry Pi


def _graphics() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    import subprocess  # takes a megabyte, and is not needed without such a device

    command = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=_NVIDIA_ANSWERS_WITHIN, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # a driver without a device
    return ", ".join(asked.stdout.strip().splitlines())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
