"""Write a graph with its model card to a checked model file."""

from __future__ import annotations

from pathlib import Path

import onnx

from webcam_classifier.model_card import CARD_KEY, ModelCard
from webcam_classifier.runtime.untrusted_model import note_as_ours
from webcam_classifier.storage import remove_stale_partials, write_atomically


def model_bytes(graph: onnx.ModelProto, card: ModelCard) -> bytes:
    """Return the content of a model file, and note it as made here, see `note_as_ours`.

    Args:
        graph: From `pixels` (batch, size, size, 3) uint8 to `probabilities` (batch, labels).
        card: Replaces any card that the graph has.

    Returns:
        The content.

    Raises:
        onnx.checker.ValidationError: The graph is not valid ONNX.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(graph)
    kept = [entry for entry in whole.metadata_props if entry.key != CARD_KEY]
    del whole.metadata_props[:]
    whole.metadata_props.extend(kept)
    whole.metadata_props.add(key=CARD_KEY, value=card.to_json())
    onnx.checker.check_model(whole, full_check=True)
    content = bytes(whole.SerializeToString())
    note_as_ours(content)
    return content


def write_model(graph: onnx.ModelProto, card: ModelCard, path: Path) -> None:
    """Write a model file.

    Args:
        graph: See `model_bytes`.
        card: See `model_bytes`.
        path: Of the file.

    Raises:
        UserError: It can't be written.
        onnx.checker.ValidationError: The graph is not valid ONNX.
    """
    content = model_bytes(graph, card)
    remove_stale_partials(path.parent, recursive=False)
    write_atomically(path, content)
