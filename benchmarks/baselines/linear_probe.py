"""A linear probe: frozen, globally averaged features, no augmentation, logistic regression.

`probe` takes the features as they are, `probe-scaled` standardises each first, as scikit-learn
recommends for this solver (https://scikit-learn.org/stable/modules/linear_model.html). Pictures
are squeezed to 224 pixels; all else is scikit-learn's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

from benchmarks.baselines.exchange import Answer, Job, serve
from benchmarks.baselines.torchvision_parts import Files, pretrained, squeeze_and_normalise

_BATCH = 8
_MOST_STEPS = 5000  # of the solver, so that it is done before


def train_and_test(job: Job) -> Answer:
    """Embed, fit, answer."""
    network = pretrained(job.weights).eval()
    training = embed(network, job.training_paths())
    steps = [StandardScaler()] if job.method == "probe-scaled" else []
    probe = make_pipeline(*steps, LogisticRegression(max_iter=_MOST_STEPS))
    probe.fit(training, job.training_labels())
    seconds = job.seconds()
    test = embed(network, job.test_paths())
    return Answer(
        probe.predict_proba(test).tolist(), seconds, versions={"scikit-learn": sklearn.__version__}
    )


def embed(network: nn.Module, paths: Sequence[Path]) -> NDArray[np.float32]:
    """Return the last fire module's mean over each picture, (pictures, 512)."""
    files = Files(paths, [0] * len(paths), transforms.Compose(squeeze_and_normalise()))
    features = network.get_submodule("features")
    with torch.inference_mode():
        parts = [features(batch).mean(dim=(2, 3)) for batch, _ in DataLoader(files, _BATCH)]
    return np.asarray(torch.cat(parts).numpy())


if __name__ == "__main__":
    serve(train_and_test)
