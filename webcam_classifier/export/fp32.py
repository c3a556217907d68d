"""Rewrite a model with the same numbers in a tidied graph."""

from __future__ import annotations

from pathlib import Path

from webcam_classifier.export.converted import Converted
from webcam_classifier.private_onnxruntime import onnxruntime
from webcam_classifier.runtime.tidy_graph import tidy_graph


def to_fp32(source: Path) -> Converted:
    """Rewrite a graph, tidied by `tidy_graph`.

    Args:
        source: A model file.
    """
    done = f"fp32: tidied by onnxruntime {onnxruntime.__version__}"
    return Converted(tidy_graph(source), done)
