"""What this device is: what is measured on it holds for another one only by chance."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

_NVIDIA_ANSWERS_WITHIN = 5.0  # seconds


def device_name() -> str:
    """Return the processor with its cores and, where there are any, the board and the GPUs."""
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


def _processor() -> str:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _board() -> str:
    return _read(Path("/proc/device-tree/model")).rstrip("\0")  # a Jetson or a Raspberry Pi


def _graphics() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    import subprocess  # a megabyte, and not needed without such a device

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
