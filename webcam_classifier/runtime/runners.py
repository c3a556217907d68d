"""Run an opened graph frame after frame: plainly, with bound buffers, or in two parts.

Binding inputs and outputs gains nothing on the CPU, where the pixels are not copied anyway. It is
done only for devices with their own memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.private_onnxruntime import onnxruntime

Values = dict[str, NDArray[Any]]


class Runner(Protocol):
    """A graph that is ready to run."""

    def run(self, value: NDArray[Any]) -> Values:
        """Run it on its only input, with a batch axis of one; return all outputs by name."""


class PlainRunner:
    """Runs a graph on NumPy arrays; on the CPU nothing is copied."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._outputs = [node.name for node in session.get_outputs()]

    def run(self, value: NDArray[Any]) -> Values:
        """See `Runner`."""
        found = self._session.run(self._outputs, {self._input: value})
        return dict(zip(self._outputs, found, strict=True))


class BoundRunner:
    """Runs a graph with its input and outputs bound to fixed buffers in a device's memory.

    A CUDA graph needs fixed addresses, and no run allocates memory on the device.

    Args:
        session: Opened with a batch axis of one.
        device: The device of the buffers, by onnxruntime's name.
    """

    def __init__(self, session: onnxruntime.InferenceSession, device: str) -> None:
        (taken,) = session.get_inputs()
        self._session = session
        self._binding = session.io_binding()
        self._input = onnxruntime.OrtValue.ortvalue_from_numpy(
            np.zeros(_fixed(taken.shape), _NUMBERS[taken.type]), device, 0
        )
        self._binding.bind_ortvalue_input(taken.name, self._input)
        self._outputs = {
            node.name: onnxruntime.OrtValue.ortvalue_from_numpy(
                np.zeros(_fixed(node.shape), _NUMBERS[node.type]), device, 0
            )
            for node in session.get_outputs()
        }
        for name, place in self._outputs.items():
            self._binding.bind_ortvalue_output(name, place)

    def run(self, value: NDArray[Any]) -> Values:
        """See `Runner`."""
        self._input.update_inplace(value)
        self._session.run_with_iobinding(self._binding)
        # Copied: on the CPU, `numpy` returns the buffer itself, which the next run overwrites.
        return {name: np.array(place.numpy()) for name, place in self._outputs.items()}


class SplitRunner:
    """Runs a graph in two parts, of which the second keeps the file's precision.

    Args:
        body: From the pixels to the seam.
        seam: The name of the value that is passed on.
        head: From the seam to the outputs.
    """

    def __init__(self, body: Runner, seam: str, head: Runner) -> None:
        self._body = body
        self._seam = seam
        self._head = head

    def run(self, value: NDArray[Any]) -> Values:
        """See `Runner`."""
        return self._head.run(self._body.run(value)[self._seam])


_NUMBERS: Mapping[str, type[np.generic]] = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


def _fixed(shape: Sequence[int | str | None]) -> list[int]:
    return [length if isinstance(length, int) else 1 for length in shape]
