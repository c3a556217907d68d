"""fastai's `fine_tune`, as its book teaches it, on SqueezeNet 1.1.

The second chapter's recipe (https://github.com/fastai/fastbook/blob/master/02_production.ipynb):
`RandomResizedCrop(224, min_scale=0.5)` for each picture, `aug_transforms()` for each batch, a
random fifth to validate with, `vision_learner` and `fine_tune` with their defaults
(https://docs.fast.ai/callback.schedule.html#learner.fine_tune: one epoch frozen, then all layers
with rates that differ by layer). 10 epochs where the book takes 4, as a few hundred pictures are
few steps; and a batch of at most a quarter of the pictures where 64, the default, would leave
fewer than four steps an epoch.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

# fastai comes with its own environment, and is no requirement of the project.
import fastai  # type: ignore[import-not-found,unused-ignore]
import torch
import torchvision
from fastai.torch_core import set_seed  # type: ignore[import-not-found,unused-ignore]
from fastai.vision.all import (  # type: ignore[import-not-found,unused-ignore]
    CategoryBlock,
    DataBlock,
    ImageBlock,
    RandomResizedCrop,
    RandomSplitter,
    accuracy,
    aug_transforms,
    vision_learner,
)

from benchmarks.baselines.exchange import Answer, Job, serve
from benchmarks.baselines.torchvision_parts import place_weights

EPOCHS = 10
_BATCH = 64
_FEWEST_STEPS = 4  # an epoch


def train_and_test(job: Job) -> Answer:
    """Fine-tune as the book does, and answer with the result."""
    set_seed(job.seed)
    paths = job.training_paths()
    labels = {
        path: job.labels[label] for path, label in zip(paths, job.training_labels(), strict=True)
    }
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock(vocab=list(job.labels))),
        get_y=lambda path: labels[path],
        splitter=RandomSplitter(valid_pct=0.2, seed=job.seed),
        item_tfms=RandomResizedCrop(224, min_scale=0.5),
        batch_tfms=aug_transforms(),
    )
    batch = max(2, min(_BATCH, len(paths) // (_FEWEST_STEPS + 1)))
    loaders = block.dataloaders(paths, bs=batch, num_workers=0)
    with tempfile.TemporaryDirectory() as folder:
        place_weights(job.weights, Path(folder))
        learner = vision_learner(
            loaders, torchvision.models.squeezenet1_1, metrics=accuracy, path=folder
        )
    with learner.no_bar():
        learner.fine_tune(job.epochs(EPOCHS))
    says = float(learner.recorder.values[-1][-1])
    seconds = job.seconds()
    test = loaders.test_dl(job.test_paths(), num_workers=0)
    with learner.no_bar():
        probabilities, _ = learner.get_preds(dl=test)
    return Answer(
        probabilities.tolist(),
        seconds,
        says=says,
        versions={
            "fastai": fastai.__version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
    )


if __name__ == "__main__":
    serve(train_and_test)
