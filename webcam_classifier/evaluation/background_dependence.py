"""Test whether a model depends on the background: predictions with the moving object hidden.

Labels that were recorded in different places can be told apart by the place, so that the model need
not learn the object. So the object is hidden, and the picture is classified again. That a picture
keeps its label means little by itself, because it has to get some label. So pictures of two labels
are paired: the same places are hidden in both, and only their backgrounds differ. If the background
does not matter, both are equally likely to get one of the two labels. If it does, the picture of
that label gets it more often.

The object is what moves within a burst, so the test does not work for photographs, or for a
hand-held camera. The method is occlusion sensitivity (M. D. Zeiler and R. Fergus, "Visualizing and
Understanding Convolutional Networks", ECCV 2014); that models depend on backgrounds was shown by
K. Xiao et al., "Noise or Signal: The Role of Image Backgrounds in Object Recognition", ICLR 2021.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from webcam_classifier.dataset.empty_labels import empty_labels
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.dataset.snapshot_name import parse_snapshot_name
from webcam_classifier.evaluation.model_evaluation import ModelEvaluation, bursts_of
from webcam_classifier.evaluation.moving_parts import Background, moving_parts
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.preprocess import prepare
from webcam_classifier.sequences import evenly_spaced

Ask = Callable[[NDArray[np.int64], Sequence[BgrImage]], Sequence[str]]
"""The answers of a model that was not trained on their bursts to changed pictures, given their
indices in the data set and the pictures, each (size, size, 3) uint8."""

_ASKED = 48  # pictures: some tenths of a second
_FEWEST_OF_A_LABEL = 10  # of many labels, more pictures are asked about
_MOST_LABELS = 8  # of more labels, so many evenly
_FEWEST_FOUND = 6  # pictures of a label in which something moves
_FEWEST_IN_BURST = 8  # pictures: fewer hardly show what is behind the thing
_FROM_A_BURST = 6
_SMALLEST, _LARGEST = 0.03, 0.7  # share of the picture that is hidden
_SIGNIFICANCE = 0.01  # the probability that any label is named by chance
_MOSTLY = 0.5  # of a label's pictures keep it, and more of them than of others get it
_EXAMPLES = 4


@dataclass(frozen=True)
class BackgroundResult:
    """The predictions for a label's pictures with the object hidden.

    Attributes:
        label: The name.
        count: How many pictures; all of them are classified correctly when unchanged.
        kept: Of those, how many keep the label.
        others: Of as many pictures of other labels, in which the same places were hidden, how
            many get this label.
        p_value: Of the difference, if the background does not matter: the sign test over pairs
            that differ (Q. McNemar, "Note on the sampling error of the difference between
            correlated proportions or percentages", 1947, exact and one-sided).
        is_dependent: Whether the predictions depend on the background.
    """

    label: str
    count: int
    kept: int
    others: int
    p_value: float
    is_dependent: bool


@dataclass(frozen=True, eq=False)
class BackgroundCheck:
    """The results, label by label.

    Attributes:
        labels: Those that could be tested.
        examples: Pictures of labels that depend on the background, by their indices, with the
            object hidden, each (size, size, 3) uint8.
    """

    labels: tuple[BackgroundResult, ...]
    examples: tuple[tuple[int, BgrImage], ...] = ()

    @property
    def dependent(self) -> tuple[BackgroundResult, ...]:
        """The labels whose predictions depend on the background."""
        return tuple(one for one in self.labels if one.is_dependent)

    def describe(self, called: Mapping[str, str]) -> str:
        """Say which labels depend on the background, and what helps; empty if there are none.

        Args:
            called: Display names of labels, if they differ from the labels.
        """
        dependent = self.dependent
        if not dependent:
            return ""
        names = [f'"{called.get(one.label, one.label)}"' for one in dependent]
        count = sum(one.count for one in dependent)
        kept = sum(one.kept for one in dependent)
        others = sum(one.others for one in dependent)
        of = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        return (
            f"With the moving object hidden, {kept} of {count} pictures of {of} keep their label, "
            f"and {others} of {count} others get it: the model depends on the background. Record "
            "all labels in front of the same backgrounds, and of more than one."
        )

    def to_dict(self) -> dict[str, object]:
        """All counts as JSON can hold them."""
        return {
            "count": sum(one.count for one in self.labels),
            "kept": sum(one.kept for one in self.labels),
            "others": sum(one.others for one in self.labels),
            "labels": [asdict(one) for one in self.labels],
        }


def check_background(
    pictures: LabelledPictures,
    bursts: NDArray[np.int64],
    is_right: NDArray[np.bool_],
    size: int,
    ask: Ask,
) -> BackgroundCheck | None:
    """Hide what moves in some pictures, and classify them again.

    Args:
        pictures: That the model was not trained on.
        bursts: (pictures,) int64, see `number_bursts`.
        is_right: (pictures,) bool, whether each is classified correctly when unchanged.
        size: The side of the square that the model takes, in pixels.
        ask: Asks the model.

    Returns:
        None if fewer than two labels have pictures in which the object can be told from the
        background.
    """
    found = {
        label: shown
        for label, chosen in _choose(pictures, bursts, is_right).items()
        if len(shown := _find_things(pictures, chosen, size)) >= _FEWEST_FOUND
    }
    if len(found) < 2:
        return None
    hidden = [
        (one.place, _without_things(one, other))
        for pair in _pairs(list(found.values()))
        for one, other in (pair, pair[::-1])
    ]
    places = np.array([place for place, _ in hidden], dtype=np.int64)
    answers = ask(places, [image for _, image in hidden])
    truths = [pictures.labels[index] for index in pictures.label_indices[places].tolist()]
    labels = tuple(
        _judge(pictures.labels[label], truths, answers, len(found)) for label in sorted(found)
    )
    dependent = {one.label for one in labels if one.is_dependent}
    kept = (
        one
        for one, truth, said in zip(hidden, truths, answers, strict=True)
        if truth == said and truth in dependent
    )
    return BackgroundCheck(labels, tuple(itertools.islice(kept, _EXAMPLES)))


def check_model(
    classifier: Classifier, pictures: LabelledPictures, measured: ModelEvaluation
) -> BackgroundCheck | None:
    """Test a model on its test pictures, see `check_background`.

    Args:
        classifier: The model.
        pictures: Its test pictures, which it was not trained on.
        measured: Its predictions for them.
    """
    truths = [pictures.labels[index] for index in pictures.label_indices.tolist()]
    said = [found.label for found in measured.predictions]
    return check_background(
        pictures,
        bursts_of(pictures),
        np.array([truth == label for truth, label in zip(truths, said, strict=True)]),
        classifier.card.input_size,
        lambda _, images: [classifier.classify_prepared(image).label for image in images],
    )


@dataclass(frozen=True, eq=False)
class _Shown:
    """A picture with a thing that moves.

    Attributes:
        place: In the data set.
        image: (size, size, 3) uint8.
        part: (side, side) bool, where the thing is.
        behind: What is behind it.
    """

    place: int
    image: BgrImage
    part: NDArray[np.bool_]
    behind: Background


@dataclass(frozen=True, eq=False)
class _Recording:
    """The pictures of one recording, and those chosen for the test."""

    members: NDArray[np.int64]
    asked: NDArray[np.int64]


def _choose(
    pictures: LabelledPictures, bursts: NDArray[np.int64], is_right: NDArray[np.bool_]
) -> dict[int, list[_Recording]]:
    """Choose some recordings of each label, and some of their pictures, evenly."""
    by_label: dict[int, dict[object, list[int]]] = {}
    for place, (name, burst) in enumerate(zip(pictures.names, bursts.tolist(), strict=True)):
        path = PurePosixPath(name)
        parsed = parse_snapshot_name(path.stem)
        # Bursts that look alike count as one elsewhere, but the camera may have moved between.
        recording = burst if parsed is None else (path.parent, *parsed[:2])
        own = by_label.setdefault(int(pictures.label_indices[place]), {})
        own.setdefault(recording, []).append(place)
    usable: dict[int, list[_Recording]] = {}
    for label, recordings in sorted(by_label.items()):
        if label in empty_labels(pictures.labels):
            continue
        long_enough = (np.array(one) for one in recordings.values() if len(one) >= _FEWEST_IN_BURST)
        found = [_Recording(members, members[is_right[members]]) for members in long_enough]
        found = [one for one in found if one.asked.size]
        if found:
            usable[label] = found
    labels = evenly_spaced(list(usable), _MOST_LABELS)
    each = max(_ASKED // max(len(labels), 1), _FEWEST_OF_A_LABEL)
    return {label: _choose_evenly(usable[label], each) for label in labels}


def _choose_evenly(recordings: list[_Recording], count: int) -> list[_Recording]:
    """Choose about that many pictures from a few recordings."""
    chosen = evenly_spaced(recordings, max(count // _FROM_A_BURST, 1))
    some = []
    for number, one in enumerate(chosen):
        share = count // len(chosen) + (number < count % len(chosen))
        some.append(_Recording(one.members, np.array(evenly_spaced(one.asked.tolist(), share))))
    return some


def _find_things(
    pictures: LabelledPictures, recordings: list[_Recording], size: int
) -> list[_Shown]:
    """Return the pictures in which something moves that is neither tiny nor nearly everything."""
    shown: list[_Shown] = []
    for one in recordings:
        parts = moving_parts(pictures.small[one.members], np.searchsorted(one.members, one.asked))
        shares = parts.mean(axis=(1, 2))
        good = (shares >= _SMALLEST) & (shares <= _LARGEST)
        if good.any():
            places, parts = one.asked[good].tolist(), parts[good]
            images = np.stack([prepare(pictures.images[place], size) for place in places])
            behind = Background(images, parts)
            shown += map(_Shown, places, images, parts, itertools.repeat(behind))
    return shown


def _pairs(labels: list[list[_Shown]]) -> list[tuple[_Shown, _Shown]]:
    """Pair pictures with pictures of other labels, each once, with all labels in turn."""
    left = [list(reversed(own)) for own in labels]
    pairs = []
    while sum(map(bool, left)) > 1:
        for one, other in itertools.combinations(left, 2):
            if one and other:
                pairs.append((one.pop(), other.pop()))
    return pairs


def _without_things(one: _Shown, other: _Shown) -> BgrImage:
    """A picture without its thing; in the same places as in another one, and as well filled."""
    known = np.minimum(one.behind.known, other.behind.known)
    return one.behind.instead_of(one.image, one.part | other.part, known)


def _judge(
    label: str, truths: Sequence[str], answers: Sequence[str], label_count: int
) -> BackgroundResult:
    """Compare the answers to a label's pictures with those to their partners."""
    kept, others = [], []
    for place, truth in enumerate(truths):
        if truth == label:
            kept.append(answers[place] == label)
            others.append(answers[place ^ 1] == label)  # the two of a pair stand together
    own, other = np.array(kept, dtype=np.bool_), np.array(others, dtype=np.bool_)
    more, fewer = int((own & ~other).sum()), int((other & ~own).sum())
    # The exact sign test, as scipy.stats.binomtest has it, which takes a second to load on a board.
    p_value = float(bdtrc(more - 1, more + fewer, 0.5)) if more + fewer else 1.0
    is_most = own.size > 0 and min(own.mean(), own.mean() - other.mean()) >= _MOSTLY
    is_dependent = bool(is_most and p_value <= _SIGNIFICANCE / label_count)
    return BackgroundResult(
        label, own.size, int(own.sum()), int(other.sum()), p_value, is_dependent
    )
