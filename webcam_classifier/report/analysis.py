"""The analysis of a data set by its embeddings, with heads that are fitted in a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.dataset.duplicates import Duplicates, find_duplicates
from webcam_classifier.evaluation.ood_pictures import ood_pictures
from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.training_task import TrainingTask
from webcam_classifier.report.label_errors import LabelError, find_label_errors
from webcam_classifier.report.learning_curve import LearningCurve, learning_curve
from webcam_classifier.report.novelty_check import NoveltyCheck, check_novelty
from webcam_classifier.report.random_split import RandomSplit, compare_with_random_split

_VIEWS = 3  # augmented ones of each picture


@dataclass(frozen=True, eq=False)
class Analysis:
    """The results; each is None if it could not be computed.

    Attributes:
        curve: Whether more snapshots would help.
        random_split: What a random split would have reported.
        duplicates: Pictures that are in the data set more than once.
        label_errors: Pictures whose label may be wrong, the most likely ones first.
        novelty: Whether pictures of other things are detected as unknown.
    """

    curve: LearningCurve | None = None
    random_split: RandomSplit | None = None
    duplicates: Duplicates | None = None
    label_errors: tuple[LabelError, ...] = ()
    novelty: NoveltyCheck | None = None


def analyse(task: TrainingTask, embedded: EmbeddedDataset | None) -> Analysis:
    """Analyse a data set by its embeddings.

    Args:
        task: The inputs of the training.
        embedded: The embeddings of its pictures; None without a frozen network.
    """
    pictures, split, seed = task.pictures, task.split, task.seed
    duplicates = find_duplicates(pictures)
    if embedded is None:
        return Analysis(duplicates=duplicates)
    label_count = len(pictures.labels)
    views = _some_views(embedded.views)
    tested = np.isin(np.cumsum(views.is_original) - 1, split.test)
    test = embedded.elsewhere
    if test is None:
        test = views.only(tested & views.is_original)
    return Analysis(
        curve=learning_curve(views, test, label_count, seed, taught=~tested),
        random_split=compare_with_random_split(
            views, embedded.elsewhere, label_count, seed, split.are_named
        ),
        duplicates=duplicates,
        label_errors=find_label_errors(views, label_count),
        novelty=check_novelty(views, pictures.labels, _out_of_distribution(embedded)),
    )


def _out_of_distribution(embedded: EmbeddedDataset) -> dict[str, NDArray[np.float32]]:
    """Embed out-of-distribution pictures, by kind."""
    extractor = FeatureExtractor(embedded.backbone.features)
    drawn = ood_pictures(embedded.backbone.input_size)
    return {kind: extractor.embed(found) for kind, found in drawn.items()}


def _some_views(views: EmbeddedViews) -> EmbeddedViews:
    """Keep each picture and the first few of its views: half the time, the same answers."""
    places = np.arange(len(views.is_original))
    firsts = np.maximum.accumulate(np.where(views.is_original, places, 0))
    return views.only(places - firsts <= _VIEWS)
