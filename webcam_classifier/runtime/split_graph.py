"""Split a model's graph into features and head, so that each part can run differently.

A lower precision does little harm to the features, but much to the head: it raises pooled features
to a power, normalises them to length one and multiplies them with large weights. Rounding all of
it to bf16 changed the answer for 7 % of photographs of a new person. With the head in the file's
precision, less than 1 % change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from webcam_classifier.graph_cache import cache_graph, is_graph_cached

if TYPE_CHECKING:
    import onnx

SEAM = "embedding"
"""The name of the value between features and head; every graph that was trained here has it."""


@dataclass(frozen=True)
class SplitFiles:
    """A graph in two files.

    Attributes:
        body: From the pixels to the seam.
        head: From the seam to all outputs of the whole graph, with the model card.
        seam: The name of the value between them.
    """

    body: Path
    head: Path
    seam: str = SEAM


def split_graph(model: Path, folder: Path) -> SplitFiles | None:
    """Split a model file, once; later calls return the files that are there.

    Args:
        model: The file.
        folder: For the two parts of this file only.

    Returns:
        The two files; None if it can't be split, because it has no seam or something bypasses it.

    Raises:
        UserError: The folder can't be written.
    """
    files = SplitFiles(folder / "body.onnx", folder / "head.onnx")
    if is_graph_cached(files.body) and is_graph_cached(files.head):
        return files
    import onnx  # takes 0.1 seconds, and only splitting needs it

    whole = onnx.shape_inference.infer_shapes(onnx.load(model))
    if not any(SEAM in node.output for node in whole.graph.node):
        return None
    extractor = onnx.utils.Extractor(whole)
    outputs = [output.name for output in whole.graph.output]
    body = extractor.extract_model([whole.graph.input[0].name], [SEAM])
    head = extractor.extract_model([SEAM], outputs)
    if not _is_whole(head):
        return None
    head.metadata_props.extend(whole.metadata_props)  # the card is read from the head
    cache_graph(files.head, head.SerializeToString())
    cache_graph(files.body, body.SerializeToString())
    return files


def _is_whole(model: onnx.ModelProto) -> bool:
    """Whether every value that a graph uses comes from its input, its constants or its nodes."""
    graph = model.graph
    known = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    for node in graph.node:
        if not known.issuperset(node.input):
            return False
        known.update(node.output)
    return True
