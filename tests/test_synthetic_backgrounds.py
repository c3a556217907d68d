"""Synthetic backgrounds."""

from __future__ import annotations

import numpy as np

from webcam_classifier.finetune.synthetic_backgrounds import paint_background


def test_backgrounds_differ_widely_from_one_another() -> None:
    generator = np.random.default_rng(0)
    painted = np.stack([paint_background(48, generator) for _ in range(24)])
    assert painted.shape == (24, 48, 48, 3)
    assert painted.dtype == np.uint8
    means = painted.mean(axis=(1, 2))
    assert (means.std(axis=0) > 20.0).all()
    deviations = painted.std(axis=(1, 2)).mean(axis=1)
    assert deviations.min() < 15.0 < 30.0 < deviations.max()


def test_the_same_generator_paints_the_same() -> None:
    first = paint_background(48, np.random.default_rng(3))
    assert np.array_equal(first, paint_background(48, np.random.default_rng(3)))
