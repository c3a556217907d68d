"""A graph opened by another library, with those methods of onnxruntime's session that are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray


@dataclass(frozen=True)
class GraphValue:
    """An input or output, described as in onnxruntime.

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
    """A graph opened by OpenVINO, LiteRT or TensorRT itself, without onnxruntime.

    Attributes:
        library: The library that computes it, with its version.
    """

    library: str

    def get_inputs(self) -> list[GraphValue]:
        """Return the inputs of the graph."""

    def get_outputs(self) -> list[GraphValue]:
        """Return its outputs."""

    def get_providers(self) -> list[str]:
        """Return the one provider that runs all of it, by onnxruntime's name."""

    def run(self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph, and return the named outputs, which later runs do not overwrite."""
