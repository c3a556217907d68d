"""Teach a head on frozen features: no torch, a few seconds."""

from __future__ import annotations

import onnx

from webcam_classifier.head.discriminant import LinearHead, append_head, fit_head
from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.novelty import UNKNOWN_FROM, append_novelty, fit_novelty
from webcam_classifier.head.training_task import TrainingResult, TrainingTask


def train_head(task: TrainingTask, embedded: EmbeddedDataset) -> TrainingResult:
    """Fit a head on the training and validation pictures, and put it onto the graph.

    Nothing is chosen by a held-out part, so the head learns from both: its confidence is fitted
    by leaving out each recording of theirs in turn. The head to be measured never sees the test
    pictures; a second one, fitted in a moment on all pictures, is there to be used.

    Args:
        task: What to learn from.
        embedded: What the frozen network makes of it.
    """
    label_count = len(task.pictures.labels)

    def classifier(head: LinearHead, taught: EmbeddedViews) -> onnx.ModelProto:
        graph = append_head(embedded.features, head)
        return append_novelty(graph, fit_novelty(taught, label_count))

    learnt = embedded.of(task.split.learnt)
    measured = fit_head(learnt, label_count)
    graph_of_all = None
    if len(task.split.test):
        final = fit_head(embedded.views, label_count)
        graph_of_all = classifier(final, embedded.views)
    return TrainingResult(
        graph=classifier(measured, learnt),
        graph_of_all=graph_of_all,
        mode="head",
        weights=embedded.source,
        details={"views": len(embedded.views.embeddings), "temperature": measured.temperature},
        unknown_threshold=UNKNOWN_FROM,
    )
