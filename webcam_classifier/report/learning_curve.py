"""The learning curve: accuracy against the number of training snapshots.

A head is fitted again on growing parts of the training pictures, and evaluated on the same test
pictures each time. Whole bursts are added one after another, as when somebody records more; several
random orders show the variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.embedding_sums import EmbeddingSums, pool_evenly
from webcam_classifier.head.lda import LinearHead, fit_head, solve_head
from webcam_classifier.percentage import percentage

MORE = 50
"""The number of additional snapshots for which the gain is estimated."""

_SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)  # of each label's training pictures
_ORDERS = 5
_FEWEST_POINTS = 3
_FEWEST_OF_A_LABEL = 2
_DRAWS = 400  # of test bursts and orders, for the interval of the gain
_CHANCE = (10.0, 90.0)  # percentiles: the truth is in between four times in five
_HARDLY = 0.005  # a gain below this is none


@dataclass(frozen=True)
class CurvePoint:
    """Heads trained on one number of snapshots.

    Attributes:
        snapshots: How many, of all labels together.
        accuracy: Mean over the orders, 0 to 1.
        low: The lowest of them.
        high: The highest of them.
    """

    snapshots: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy against the number of snapshots, and the likely gain from more of them.

    Attributes:
        points: At least three, from few snapshots to all training pictures.
        test_count: The test pictures of all heads.
        orders: How many random orders of bursts were tried.
        more: How many more snapshots `gain` is about.
        gain: What they would likely add to the last point's accuracy.
        gain_low: Four times in five it is more than this.
        gain_high: Four times in five it is less than this.
    """

    points: tuple[CurvePoint, ...]
    test_count: int
    orders: int
    more: int
    gain: float
    gain_low: float
    gain_high: float

    def describe(self) -> str:
        """Say in a sentence or two whether more snapshots would help, and how certain that is."""
        now = self.points[-1].accuracy
        if now == 1.0:
            return (
                f"The {self.test_count} snapshots that the learning curve is tested on are all "
                f"classified correctly already, so it can't show what {self.more} more of the same "
                "kind would add. Another room or another person is a harder test."
            )
        if self.gain_high < _HARDLY:
            return (
                f"{self.more} more snapshots of the same kind would hardly help: the curve is "
                "flat. Other people, light and backgrounds would do more."
            )
        sentence = (
            f"The learning curve, of heads measured on {self.test_count} snapshots, ends at "
            f"{percentage(now, 0)}. If it goes on like this, "
            f"{self.more} more of the same kind would add about {_points(self.gain)} points "
            f"(four chances in five: {_points(self.gain_low)} to {_points(self.gain_high)})."
        )
        if self.gain_low < _HARDLY:
            sentence += " With so few test snapshots this is a guess."
        return sentence


def learning_curve(
    training: EmbeddedViews,
    test: EmbeddedViews,
    label_count: int,
    seed: int,
    taught: NDArray[np.bool_] | None = None,
) -> LearningCurve | None:
    """Fit heads on growing parts of the training pictures and measure each.

    Args:
        training: Each picture's views stand together, the picture itself first.
        test: Test pictures; augmented views among them are ignored.
        label_count: How many labels there are.
        seed: For the orders; the same gives the same curve.
        taught: (views,) which of `training` to use, always with all views of a picture; None takes
            all.

    Returns:
        None if there are too few pictures for three points, or none to test on.
    """
    asked = test.only(test.is_original)
    pictures = np.cumsum(training.is_original) - 1  # (views,) the picture that a view is of
    labels, bursts = (
        of_view[training.is_original] for of_view in (training.label_indices, training.bursts)
    )
    may_teach = np.ones(len(labels), dtype=np.bool_)
    if taught is not None:
        may_teach = taught[training.is_original]
    of_label = [np.flatnonzero(may_teach & (labels == label)) for label in range(label_count)]
    fewest = min(len(members) for members in of_label)
    shares = [share for share in _SHARES if round(share * fewest) >= _FEWEST_OF_A_LABEL]
    if len(shares) < _FEWEST_POINTS or len(asked.label_indices) == 0:
        return None
    right = np.zeros((_ORDERS, len(shares), len(asked.label_indices)), dtype=np.bool_)
    sizes = np.array([sum(round(share * len(one)) for one in of_label) for share in shares])
    for order in range(_ORDERS):
        generator = np.random.default_rng((seed, order))
        queues = [_by_burst(one, bursts, generator) for one in of_label]
        sums = [EmbeddingSums.empty(training.embeddings.shape[1])] * label_count
        former = 0.0
        for place, share in enumerate(shares):
            if order > 0 and share == 1.0:  # all of them: no order makes a difference
                right[order, place] = right[0, place]
                continue
            for label, queue in enumerate(queues):  # to what is learnt already the next ones
                added = np.isin(
                    pictures, queue[round(former * len(queue)) : round(share * len(queue))]
                )
                own = EmbeddingSums.of(training.embeddings, training.is_original, added)
                sums[label] = sums[label].plus(own)
            former = share
            right[order, place] = _is_right(solve_head(pool_evenly(sums), 1.0), asked)
    return _summarise(sizes, right, asked.bursts, np.random.default_rng(seed))


def right_answers(
    training: EmbeddedViews, asked: EmbeddedViews, label_count: int
) -> NDArray[np.bool_]:
    """Fit a head, and return which pictures it gets right.

    Args:
        training: The training pictures; every label is among them.
        asked: The pictures to classify.
        label_count: How many labels there are.

    Returns:
        (asked views,) bool.
    """
    return _is_right(fit_head(training, label_count), asked)


def _is_right(head: LinearHead, asked: EmbeddedViews) -> NDArray[np.bool_]:
    answers = head.logits(asked.embeddings).argmax(axis=1)
    return np.asarray(answers == asked.label_indices)


def expected_gain(
    sizes: NDArray[np.int64],
    errors: NDArray[np.floating],
    more: int,
    doubt: NDArray[np.floating] | float = 0.0,
) -> NDArray[np.float64]:
    """Extrapolate error curves by a power law, `error = a * snapshots ** -b` with b from 0 up.

    Args:
        sizes: (points,) at least three numbers of snapshots, rising.
        errors: (curves, points) shares of wrong answers, above 0.
        more: How many snapshots are added to the last point's.
        doubt: (curves,) how far the slope is moved, in multiples of its standard error: a curve
            that is no straight line on logarithmic scales can't be continued surely.

    Returns:
        (curves,) by how much the last point's error would fall.
    """
    points = len(sizes)
    weights = sizes / sizes.sum()  # the law holds for the end better than for the beginning
    places = np.log(sizes) - (weights * np.log(sizes)).sum()
    heights = np.log(errors) - (weights * np.log(errors)).sum(axis=1, keepdims=True)
    spread = (weights * places**2).sum()
    slopes = (weights * places * heights).sum(axis=1) / spread
    residuals = heights - slopes[:, np.newaxis] * places
    variance = (weights * residuals**2).sum(axis=1) / (points - 2)
    slopes = slopes + doubt * np.sqrt(variance / spread)
    factor = ((sizes[-1] + more) / sizes[-1]) ** np.minimum(slopes, 0.0)
    return np.asarray(errors[:, -1] * (1.0 - factor))


def _by_burst(
    members: NDArray[np.int64], bursts: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Order one label's pictures so that whole bursts follow each other."""
    numbers = np.unique(bursts[members])
    rank = dict(zip(generator.permutation(numbers).tolist(), range(len(numbers)), strict=True))
    ranks = [rank[number] for number in bursts[members].tolist()]
    return members[np.argsort(ranks, kind="stable")]


def _summarise(
    sizes: NDArray[np.int64],
    right: NDArray[np.bool_],
    test_bursts: NDArray[np.int64],
    generator: np.random.Generator,
) -> LearningCurve:
    """Compute the points, and resample orders and test bursts for the interval."""
    orders, _, test_count = right.shape
    accuracies = right.mean(axis=2)
    points = tuple(
        CurvePoint(int(size), float(of_size.mean()), float(of_size.min()), float(of_size.max()))
        for size, of_size in zip(sizes, accuracies.T, strict=True)
    )
    wrong = (~right).astype(np.float64)
    _, places = np.unique(test_bursts, return_inverse=True)
    count = int(places.max()) + 1
    belongs = (places[:, np.newaxis] == np.arange(count)).astype(np.float64)
    per_burst, pictures = wrong @ belongs, belongs.sum(axis=0)
    drawn = generator.multinomial(count, np.full(count, 1.0 / count), _DRAWS).astype(np.float64)
    drawn_orders = generator.multinomial(orders, np.full(orders, 1.0 / orders), _DRAWS) / orders
    errors = np.einsum("dr,osr,do->ds", drawn, per_burst, drawn_orders)
    errors = _smoothed(errors, (drawn @ pictures)[:, np.newaxis])
    gains = expected_gain(sizes, errors, MORE, generator.standard_normal(_DRAWS))
    mean_errors = wrong.sum(axis=2).mean(axis=0)[np.newaxis]
    gain = float(expected_gain(sizes, _smoothed(mean_errors, test_count), MORE)[0])
    low, high = np.percentile(gains, _CHANCE)
    left = 1.0 - points[-1].accuracy  # no gain is more than there is
    gain, low, high = (min(float(value), left) for value in (gain, low, high))
    return LearningCurve(points, test_count, orders, MORE, gain, low, high)


def _smoothed(wrong: NDArray[np.float64], count: NDArray[np.float64] | int) -> NDArray[np.float64]:
    """Return shares that are never 0, as if half a picture more had been wrong."""
    return np.asarray((wrong + 0.5) / (count + 1.0))


def _points(share: float) -> str:
    return f"{100.0 * share:.1f}"
