"""The learner: pictures with embeddings are added and removed, and a head is fitted on them.

A head is a function of its pictures. So training on a folder is to add all of them and fit, and
teaching while a camera runs is to add one and fit: the same pictures give the same head,
temperature, threshold and accuracy, to the last bit.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.backbone.embedder import views_per_picture
from webcam_classifier.backbone.load import Backbone
from webcam_classifier.dataset.burst_numbers import (
    are_bursts_named,
    labels_of_one_burst,
    number_bursts,
)
from webcam_classifier.dataset.index import Picture
from webcam_classifier.evaluation.metrics import Evaluation, evaluate_answers
from webcam_classifier.head.cross_validation import CrossValidation, cross_validate
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.embedding_sums import EmbeddingSums, pool_evenly
from webcam_classifier.head.fitted_head import FittedHead
from webcam_classifier.head.lda import solve_head
from webcam_classifier.head.novelty import UNKNOWN_THRESHOLD, Novelty
from webcam_classifier.head.validation_description import describe_validation
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import ModelCard

USUAL_TEMPERATURE = 70.0
"""A rough value for a head until left-out pictures give one: hands gave 50 to 100."""

_BLOCK = 1024  # pictures at once, whose embeddings are copied to be summed up

_Seen = dict[str, NDArray[np.float32]]
"""The embeddings of a label's pictures, each (views, features), by the picture's key."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The result of cross-validation over bursts.

    Attributes:
        pictures: Those, in the order in which the folder lists them.
        labels: Theirs, sorted.
        views: Of the pictures, with their bursts.
        found: The predictions for them by heads that never saw their burst.
        evaluation: The accuracy of those; None if nothing could be left out.
        cut_labels: Labels of a single burst, which was cut in time.
        rests_on: How validation and training pictures were kept apart, in words.
        temperature: Of the head.
    """

    pictures: tuple[Picture, ...]
    labels: tuple[str, ...]
    views: EmbeddedViews
    found: CrossValidation
    evaluation: Evaluation | None
    cut_labels: tuple[str, ...]
    rests_on: str
    temperature: float


class Learner:
    """Holds the pictures of a head. All methods may be called from any thread.

    >>> from pathlib import Path
    >>> from webcam_classifier import Dataset, Learner
    >>> from webcam_classifier.backbone.embedder import Embedder
    >>> from webcam_classifier.backbone.load import default_backbone
    >>> dataset = Dataset(Path("dataset"))
    >>> dataset.refresh()
    True
    >>> embedder = Embedder(default_backbone(), dataset)
    >>> for _ in embedder.embed_all():
    ...     pass
    >>> learner = Learner(embedder.backbone)
    >>> for picture in dataset.every():
    ...     learner.add(picture)
    >>> learner.calibrate().evaluation.accuracy
    1.0
    >>> learner.fit().labels
    ('blue', 'red')
    >>> learner.write(Path("model.onnx"))

    Running sums make a fit with five thousand pictures as fast as one with ten. They need
    (features, features) numbers for each label: five megabytes with 768.

    Args:
        backbone: The frozen network that the embeddings are from.
        views: How many views of each picture count; None: as many as `views_per_picture` says.
    """

    def __init__(self, backbone: Backbone, views: int | None = None) -> None:
        self._backbone = backbone
        self._views = views
        self._lock = threading.RLock()
        self._pictures: dict[str, dict[str, Picture]] = {}
        self._calibration: Calibration | None = None
        self._summed: dict[str, _Seen] = {}
        self._sums: dict[str, EmbeddingSums] = {}
        self._summed_views = 0
        self._fitted: FittedHead | None = None
        self._fitted_with: Calibration | None = None

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._pictures.values()))

    @property
    def calibration(self) -> Calibration | None:
        """The last one; the pictures may have changed since."""
        return self._calibration

    @property
    def views(self) -> int:
        """How many views of each picture count, the picture itself included."""
        return self._views or views_per_picture(len(self))

    @property
    def learnt(self) -> int:
        """How many pictures the last head was fitted on."""
        with self._lock:
            return sum(map(len, self._summed.values()))

    def add(self, picture: Picture) -> None:
        """Add a picture, or replace it by a newer version."""
        with self._lock:
            self._pictures.setdefault(picture.label, {})[picture.key] = picture

    def remove(self, picture: Picture) -> None:
        """Remove a picture; nothing happens if it is not there."""
        with self._lock:
            own = self._pictures.get(picture.label, {})
            own.pop(picture.key, None)
            if not own:
                self._pictures.pop(picture.label, None)

    def set_pictures(self, pictures: Mapping[str, Collection[Picture]]) -> None:
        """Hold these pictures and no others.

        Args:
            pictures: By label; a label without any is left out.
        """
        with self._lock:
            self._pictures = {
                label: {picture.key: picture for picture in own}
                for label, own in pictures.items()
                if own
            }

    def fit(self) -> FittedHead | None:
        """Fit a head on all pictures that have embeddings; each view counts alike.

        Returns:
            With the last calibration's temperature and score of novelty, which knows the pictures
            that came since; None with fewer than two labels.
        """
        with self._lock:
            calibration = self._calibration
            has_changed = self._update_sums()
            labels = tuple(sorted(self._sums))
            if len(labels) < 2:
                self._fitted = None
                return None
            is_known = self._fitted is not None and self._fitted.labels == labels
            if not is_known or has_changed or self._fitted_with is not calibration:
                temperature = USUAL_TEMPERATURE if calibration is None else calibration.temperature
                pooled = pool_evenly([self._sums[label] for label in labels])
                self._fitted = FittedHead(labels, solve_head(pooled, temperature), self._novelty())
                self._fitted_with = calibration
            return self._fitted

    def restore(self, calibration: Calibration) -> None:
        """Hold the pictures and the results of a calibration, and no other pictures."""
        pictures: dict[str, list[Picture]] = {label: [] for label in calibration.labels}
        for picture in calibration.pictures:
            pictures[picture.label].append(picture)
        with self._lock:
            self.set_pictures(pictures)
            self._calibration = calibration

    def cross_validate(self, embedded: EmbeddedViews | None = None) -> Calibration | None:
        """Classify each picture whose file was embedded, by heads that never saw its burst.

        Takes a second with a thousand pictures, without blocking other calls.

        Args:
            embedded: See `cross_validate_pictures`.

        Returns:
            None with fewer than two labels.
        """
        with self._lock:
            views = self.views
            chosen = [
                picture
                for own in self._pictures.values()
                for picture in own.values()
                if picture.is_embedded(views)
            ]
        return cross_validate_pictures(chosen, views, embedded)

    def calibrate(self, embedded: EmbeddedViews | None = None) -> Calibration | None:
        """Cross-validate, and use the resulting temperature and threshold for heads from now on.

        Args:
            embedded: See `cross_validate_pictures`.

        Returns:
            What was found; None with fewer than two labels.
        """
        self.adopt(self.cross_validate(embedded))
        return self._calibration

    def adopt(self, calibration: Calibration | None) -> None:
        """Use a calibration for the heads that are fitted from now on.

        Args:
            calibration: From `cross_validate`; None forgets the last one.
        """
        self._calibration = calibration

    def model(self) -> onnx.ModelProto:
        """The whole graph, from pixels to probabilities and the score of novelty.

        Raises:
            ValueError: There are fewer than two labels.
        """
        head = self.fit()
        if head is None:
            raise ValueError("a model needs pictures of two labels")
        return head.on(self._backbone.features)

    def card(self, dataset: str, data_hash: str) -> ModelCard:
        """The card of the model, with the cross-validated accuracy.

        Args:
            dataset: The folder of the pictures, as a person names it.
            data_hash: See `LabelledPictures.data_hash`.

        Raises:
            ValueError: There are fewer than two labels.
        """
        head, calibration = self.fit(), self._calibration
        if head is None:
            raise ValueError("a model needs pictures of two labels")
        evaluation = None if calibration is None else calibration.evaluation
        return ModelCard(
            labels=head.labels,
            input_size=self._backbone.input_size,
            backbone=self._backbone.name,
            mode="head",
            weights=self._backbone.source,
            created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            dataset=dataset,
            data_hash=data_hash,
            accuracy=None if evaluation is None else evaluation.accuracy,
            accuracy_count=0 if evaluation is None else evaluation.count,
            accuracy_rests_on="" if calibration is None else calibration.rests_on,
            unknown_threshold=None if head.novelty is None else UNKNOWN_THRESHOLD,
            strict_threshold=None if head.novelty is None else head.novelty.strict_threshold,
        )

    def write(self, path: Path, dataset: str = "", data_hash: str = "") -> None:
        """Write the model as one file that carries everything.

        Args:
            path: Where the file belongs.
            dataset: See `card`.
            data_hash: Likewise.

        Raises:
            UserError: The place can't be written.
            ValueError: There are fewer than two labels.
        """
        write_model(self.model(), self.card(dataset, data_hash), path)

    def _novelty(self) -> Novelty | None:
        """The calibrated score of novelty, with the pictures that came after it."""
        calibration = self._calibration
        if calibration is None or calibration.found.novelty is None:
            return None
        known = {(picture.label, picture.key) for picture in calibration.pictures}
        new = [
            embeddings[0]
            for label, own in self._summed.items()
            for key, embeddings in own.items()
            if (label, key) not in known
        ]
        novelty = calibration.found.novelty
        return novelty.knowing(np.stack(new)) if new else novelty

    def _update_sums(self) -> bool:
        """Update the sums to the current pictures; return whether anything changed."""
        views = self.views
        seen = {
            label: {
                key: picture.embeddings
                for key, picture in own.items()
                if picture.embeddings is not None
            }
            for label, own in self._pictures.items()
        }
        seen = {label: own for label, own in seen.items() if own}
        if views != self._summed_views:
            self._summed, self._sums, self._summed_views = {}, {}, views
        has_changed = self._summed.keys() != seen.keys()
        for label, own in seen.items():
            has_changed |= self._follow_label(label, own, views)
        for label in self._summed.keys() - seen.keys():
            del self._sums[label]
        self._summed = seen
        return has_changed

    def _follow_label(self, label: str, seen: _Seen, views: int) -> bool:
        before = self._summed.get(label, {})
        # A picture that only got onto the disk meanwhile has the very same embeddings.
        gone = [one for key, one in before.items() if seen.get(key) is not one]
        new = [one for key, one in seen.items() if before.get(key) is not one]
        sums = self._sums.get(label, EmbeddingSums.empty(self._backbone.width))
        if gone and len(gone) >= len(seen):  # to begin anew is less work
            gone, new = [], list(seen.values())
            sums = EmbeddingSums.empty(self._backbone.width)
        if gone:
            sums = sums.plus(_sum(gone, views), -1)
        if new:
            sums = sums.plus(_sum(new, views))
        self._sums[label] = sums
        return bool(gone or new)


def cross_validate_pictures(
    pictures: Collection[Picture], views: int, embedded: EmbeddedViews | None = None
) -> Calibration | None:
    """Cross-validate over the bursts of pictures.

    Args:
        pictures: In any order; of each, so many views were embedded.
        views: How many of each count, the picture itself included.
        embedded: What `embedded_views` gives for them in their order, where somebody holds it: of
            many pictures it is large.

    Returns:
        None with fewer than two labels.
    """
    ordered = sorted(pictures, key=lambda picture: picture.order)
    labels = tuple(sorted({picture.label for picture in ordered}))
    if len(labels) < 2:
        return None
    if embedded is None:
        embedded = embedded_views(ordered, labels, views)
    bursts = embedded.bursts[embedded.is_original]
    indices = embedded.label_indices[embedded.is_original]
    found = cross_validate(embedded, len(labels))
    cut_labels = labels_of_one_burst(indices, bursts, labels)
    evaluation = None
    if found.asked.size:
        evaluation = evaluate_answers(
            labels,
            indices[found.asked],
            found.logits.argmax(axis=1),
            is_unknown=found.scores > UNKNOWN_THRESHOLD,
            bursts=bursts[found.asked],
            cut_labels=cut_labels,
        )
    return Calibration(
        pictures=tuple(ordered),
        labels=labels,
        views=embedded,
        found=found,
        evaluation=evaluation,
        cut_labels=cut_labels,
        rests_on=describe_validation(
            labels, cut_labels, are_bursts_named([picture.path for picture in ordered])
        ),
        temperature=found.temperature if found.asked.size else USUAL_TEMPERATURE,
    )


def embedded_views(
    pictures: Collection[Picture], labels: tuple[str, ...], views: int
) -> EmbeddedViews:
    """The embeddings of pictures as one array.

    Args:
        pictures: In their order; of each, so many views were embedded.
        labels: Theirs.
        views: How many of each, the picture itself included.
    """
    indices = np.array([labels.index(picture.label) for picture in pictures], dtype=np.int64)
    bits = [picture.fingerprint for picture in pictures if picture.fingerprint is not None]
    names = [picture.path for picture in pictures]
    bursts = number_bursts(names, indices, np.array(bits, dtype=np.bool_))
    rows = [one.embeddings[:views] for one in pictures if one.embeddings is not None]
    return EmbeddedViews(
        np.concatenate(rows),
        np.repeat(indices, views),
        np.repeat(bursts, views),
        np.arange(len(pictures) * views) % views == 0,
    )


def _sum(pictures: list[NDArray[np.float32]], views: int) -> EmbeddingSums:
    parts = []
    for start in range(0, len(pictures), _BLOCK):
        rows = [embeddings[:views] for embeddings in pictures[start : start + _BLOCK]]
        firsts = np.cumsum([0] + [len(own) for own in rows[:-1]])
        is_original = np.zeros(sum(map(len, rows)), dtype=np.bool_)
        is_original[firsts] = True
        parts.append(EmbeddingSums.of(np.concatenate(rows), is_original))
    return functools.reduce(EmbeddingSums.plus, parts)
