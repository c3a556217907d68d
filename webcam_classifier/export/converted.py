"""The result of converting a model."""

from __future__ import annotations

from dataclasses import dataclass

import onnx


@dataclass(frozen=True, eq=False)
class Converted:
    """A model in another form, not yet checked.

    Attributes:
        graph: From `pixels` to `probabilities`, as in the original.
        done: How it was converted, in words, for the card's history.
    """

    graph: onnx.ModelProto
    done: str
