"""Plan the batches of each epoch, and prepare their views ahead of time.

A view depends only on the seed, the epoch and the picture: it is the same after a resumption, with
any number of threads, and with any number of processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from webcam_classifier.finetune.random_views import Examples, Views
from webcam_classifier.preprocess import prepare

_MIXUP_ALPHA = 0.3  # of the beta distribution: mostly a faint second picture, seldom half of each
_ORDER = 0  # what a generator is for: these two never draw the same numbers
_VIEW = 1

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Batch:
    """The pictures of one training step.

    Attributes:
        epoch: From 1.
        pictures: (batch,) int64, their indices among the examples.
        partners: (batch,) int64, for each the index in this batch of the picture mixed into it.
        mixup_weight: Weight of each picture itself, 0 to 1 (the paper's lambda); 1 means no mixup.
    """

    epoch: int
    pictures: NDArray[np.int64]
    partners: NDArray[np.int64]
    mixup_weight: float


def plan_epoch(count: int, batches: int, mixup_share: float, seed: int, epoch: int) -> list[Batch]:
    """Put pictures into a random order, in batches of nearly equal size.

    No batch is much smaller than the others: a last one with a single picture would have no
    statistics. Mixup is applied to some of them (H. Zhang et al., "mixup: Beyond Empirical Risk
    Minimization", 2018): it reduces the influence of what the classes of a small data set share by
    chance, such as a wall or a sleeve.

    Args:
        count: How many pictures; each is seen once.
        batches: How many batches.
        mixup_share: Share of the batches that mixup is applied to, 0 to 1.
        seed: Of the whole training.
        epoch: From 1.
    """
    generator = np.random.default_rng((seed, _ORDER, epoch))
    planned = []
    for pictures in np.array_split(generator.permutation(count), batches):
        partners, weight = np.arange(len(pictures)), 1.0
        if generator.random() < mixup_share:
            weight = float(generator.beta(_MIXUP_ALPHA, _MIXUP_ALPHA))
            partners = generator.permutation(len(pictures))
        planned.append(Batch(epoch, pictures, partners, weight))
    return planned


class PictureInputs:
    """Views of pictures, as the network takes them.

    Args:
        examples: The training pictures.
        views: How they are augmented.
        input_size: The side of the square that the network takes, in pixels.
        seed: Of the whole training.
    """

    def __init__(self, examples: Examples, views: Views, input_size: int, seed: int) -> None:
        self._examples = examples
        self._views = views
        self._input_size = input_size
        self._seed = seed
        self.mixup_share = views.mixup_share

    def __len__(self) -> int:
        return len(self._examples.images)

    def plain(self, places: range) -> torch.Tensor:
        """Pictures as live sees them, (places, size, size, 3) uint8 BGR."""
        images = [prepare(self._examples.images[place], self._input_size) for place in places]
        return torch.from_numpy(np.stack(images))

    def viewed(self, places: range) -> torch.Tensor:
        """A view of each of some pictures that is used in no epoch, shaped as by `plain`."""
        return torch.from_numpy(np.stack([self._view(place, 0) for place in places]))

    def batch(self, batch: Batch, rows: NDArray[np.int64]) -> torch.Tensor:
        """Make the views of some rows of a batch, (rows, size, size, 3) uint8 BGR."""
        needed = rows if batch.mixup_weight == 1.0 else np.union1d(rows, batch.partners[rows])
        made = {row: self._view(int(batch.pictures[row]), batch.epoch) for row in needed.tolist()}
        own = np.stack([made[row] for row in rows.tolist()])
        if batch.mixup_weight < 1.0:
            others = np.stack([made[row] for row in batch.partners[rows].tolist()])
            mixed = own * np.float32(batch.mixup_weight) + others * np.float32(
                1.0 - batch.mixup_weight
            )
            own = np.rint(mixed).astype(np.uint8)
        return torch.from_numpy(own)

    def _view(self, picture: int, epoch: int) -> NDArray[np.uint8]:
        generator = np.random.default_rng((self._seed, _VIEW, epoch, picture))
        return self._views.of(picture, generator)


class FixedInputs:
    """The outputs of frozen layers for the pictures, computed once.

    Args:
        values: (pictures, features) float32.
    """

    mixup_share = 0.0

    def __init__(self, values: torch.Tensor) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def plain(self, places: range) -> torch.Tensor:
        """Those of some pictures, (places, features) float32."""
        return self._values[places.start : places.stop]

    def batch(self, batch: Batch, rows: NDArray[np.int64]) -> torch.Tensor:
        """Those of some rows of a batch, (rows, features) float32."""
        return self._values[torch.from_numpy(batch.pictures[rows])]


def targets_of(
    batch: Batch, rows: NDArray[np.int64], label_indices: NDArray[np.int64], label_count: int
) -> torch.Tensor:
    """Make soft targets for some rows of a batch.

    Args:
        batch: The batch.
        rows: Which of its rows.
        label_indices: (pictures,) of all examples.
        label_count: How many labels there are.

    Returns:
        (rows, labels) float32, each row adds up to 1.
    """
    shares = np.eye(label_count, dtype=np.float32)[label_indices[batch.pictures]]
    mixed = shares * np.float32(batch.mixup_weight) + shares[batch.partners] * np.float32(
        1.0 - batch.mixup_weight
    )
    return torch.from_numpy(mixed[rows].astype(np.float32))


def made_ahead(
    items: Iterable[Item], make: Callable[[Item], Made], threads: int
) -> Generator[Made, None, None]:
    """Yield the result for each item, in order, while threads compute the next ones.

    Args:
        items: The inputs.
        make: Called in a thread.
        threads: At least 1; two results more than that wait at the most.

    Returns:
        The results; closing it ends the threads.
    """
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(threads, "views")
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > threads + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
