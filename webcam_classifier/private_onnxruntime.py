"""onnxruntime, imported so that it reports nothing to its maker.

The official builds for Linux report, from 1.29 on, which models are run: their file names and
hashes. Nothing here leaves the device. The library reads ORT_DISABLE_TELEMETRY once, while it is
imported, so the variable is set for just that long, and the environment stays as it was. Its
function `disable_telemetry_events` comes too late to do without: by then a number for the device
and a queue are in the cache folder. Whoever wants the reports sets the variable to 0.

Every module takes onnxruntime from here, so that none imports it first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["onnxruntime"]

_VARIABLE = "ORT_DISABLE_TELEMETRY"


@contextmanager
def _without_telemetry() -> Iterator[None]:
    if _VARIABLE in os.environ:  # somebody has decided
        yield
        return
    os.environ[_VARIABLE] = "1"
    try:
        yield
    finally:
        del os.environ[_VARIABLE]


_WAS_THERE = "onnxruntime" in sys.modules

with _without_telemetry():
    import onnxruntime

if _WAS_THERE and _VARIABLE not in os.environ:
    # A program that imported it before reports already; what is run from here on is left out.
    onnxruntime.disable_telemetry_events()
