"""The area under the ROC curve is the one that scikit-learn computes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from webcam_classifier.evaluation.auroc import auroc


@pytest.mark.parametrize("steps", [3, 50, 10**6])
def test_it_is_the_same_as_of_scikit_learn_with_ties_and_without(steps: int) -> None:
    generator = np.random.default_rng(steps)
    negatives = np.round(generator.normal(0.0, 1.0, 70) * steps) / steps
    positives = np.round(generator.normal(0.8, 1.0, 41) * steps) / steps
    truths = np.repeat([0, 1], [len(negatives), len(positives)])
    expected = roc_auc_score(truths, np.concatenate([negatives, positives]))
    assert auroc(negatives, positives) == pytest.approx(expected, abs=1e-12)


def test_scores_that_are_all_alike_tell_nothing_apart() -> None:
    assert auroc(np.ones(4, dtype=np.float32), np.ones(9, dtype=np.float32)) == 0.5


def test_one_kind_alone_or_what_is_no_number_is_an_error() -> None:
    scores = np.array([0.1, 0.7])
    with pytest.raises(ValueError, match="both kinds"):
        auroc(scores, scores[:0])
    with pytest.raises(ValueError, match="not a number"):
        auroc(scores, np.array([np.nan, 1.0]))
