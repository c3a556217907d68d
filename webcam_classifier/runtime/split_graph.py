"""Cut a model's graph in two where its features end, so that each part can run in its own way.

The features stand fewer bits well; the head does not. It takes a power of pooled features,
scales them to length one and weighs them strongly, so that rounding to bf16 changed the answer for
7 % of photographs of somebody new. With the head left as it is, it changes less than 1 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from webcam_classifier.kept_graph import is_graph_kept, keep_graph

if TYPE_CHECKING:
    import onnx

SEAM = "embedding"
"""The value between features and head; every graph that was trained here has it."""


@dataclass(frozen=True)
class SplitFiles:
    """A graph in two files.

    Attributes:
        body: From the pixels to the seam.
        head: From the seam to all outputs of the whole, with the whole's card.
        seam: The value between them.
    """

    body: Path
    head: Path
    seam: str = SEAM


def split_graph(model: Path, folder: Path) -> SplitFiles | None:
    """Cut a model file in two, once; later calls find what the first one wrote.

    Args:
        model: The file.
        folder: Where both parts belong, of this very file.

    Returns:
        None where it can't be cut: it has no such value, or something goes round it.

    Raises:
        UserError: The folder can't be written.
    """
    files = SplitFiles(folder / "body.onnx", folder / "head.onnx")
    if is_graph_kept(files.body) and is_graph_kept(files.head):
        return files
    import onnx  # 0.1 seconds, and needed only for the cut itself

    whole = onnx.shape_inference.infer_shapes(onnx.load(model))
    if not any(SEAM in node.output for node in whole.graph.node):
        return None
    extractor = onnx.utils.Extractor(whole)
    outputs = [output.name for output in whole.graph.output]
    body = extractor.extract_model([whole.graph.input[0].name], [SEAM])
    head = extractor.extract_model([SEAM], outputs)
    if not _is_whole(head):
        return None
    head.metadata_props.extend(whole.metadata_props)  # the card: the whole need not be opened
    keep_graph(files.head, head.SerializeToString())
    keep_graph(files.body, body.SerializeToString())
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
