"""A graph opened by another library, with as much of a session of onnxruntime as is used here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray


@dataclass(frozen=True)
class GraphValue:
    """An input or output, described as onnxruntime does.

    Attributes:
        name: In the graph.
        shape: With a batch axis of one.
        type: Such as `tensor(float)`.
    """

    name: str
    shape: Sequence[int]
    type: str


@runtime_checkable
class LibrarySession(Protocol):
    """What `open_with_openvino`, `open_with_litert` and `open_with_tensorrt` return.

    Attributes:
        library: What computes it, with its version.
    """

    library: str

    def get_inputs(self) -> list[GraphValue]:
        """What the graph takes."""

    def get_outputs(self) -> list[GraphValue]:
        """What it gives."""

    def get_providers(self) -> list[str]:
        """What runs it, all of it, by onnxruntime's name."""

    def run(self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph; return the outputs of those names, which later runs leave alone."""
