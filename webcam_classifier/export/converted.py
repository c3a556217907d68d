"""What converting a model gives."""

from __future__ import annotations

from dataclasses import dataclass

import onnx


@dataclass(frozen=True, eq=False)
class Converted:
    """A model in another form, not yet checked.

    Attributes:
        graph: From `pixels` to `probabilities`, as the original.
        done: How it was made, in words, for the card's history.
    """

    graph: onnx.ModelProto
    done: str
