"""Tidy a graph without changing its numbers: constants folded, useless nodes removed."""

from __future__ import annotations

from pathlib import Path

import onnx

from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.temporary_files import temporary_folder


def tidy_graph(source: Path) -> onnx.ModelProto:
    """Let onnxruntime do its basic optimisations, which are valid on every device.

    The higher levels lay out the weights for the CPU at hand, so their result is not portable.

    Args:
        source: A model file.

    Returns:
        The graph without metadata; every node has a name.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4  # errors are raised, and reported once
    with temporary_folder() as folder:
        tidied = folder / "tidied.onnx"
        options.optimized_model_filepath = str(tidied)
        onnxruntime.InferenceSession(
            str(source), sess_options=options, providers=["CPUExecutionProvider"]
        )
        model = onnx.load(tidied)
    _keep_only_used_opsets(model)
    model.ir_version = min(model.ir_version, onnx.load(source).ir_version)
    del model.metadata_props[:]
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return model


def _keep_only_used_opsets(model: onnx.ModelProto) -> None:
    """Drop the domains that onnxruntime declares for its own operators, whether used or not."""
    used = {node.domain or "" for node in model.graph.node}
    kept = [opset for opset in model.opset_import if (opset.domain or "") in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
