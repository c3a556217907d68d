"""Choose the frozen network for a data set on this device, by left-out bursts and by time."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.backbone.load import Backbone, load_backbone, usual_input_size
from webcam_classifier.dataset.facts import split_data_set
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.labelled_pictures import check_enough, labelled_pictures
from webcam_classifier.errors import UserError
from webcam_classifier.head.cross_validation import left_out_logits
from webcam_classifier.head.embedded_dataset import embedded_dataset
from webcam_classifier.head.mirror_check import check_mirroring
from webcam_classifier.percentage import percentage
from webcam_classifier.progress import Stage, track
from webcam_classifier.runtime.providers import ON_ALL_CORES
from webcam_classifier.runtime.session import open_session
from webcam_classifier.training.paired_comparison import compare_paired

HALF_A_FRAME = 1000.0 / 60
"""Milliseconds: half a frame at thirty frames a second; the other half is for camera and screen."""

_ROUNDS = 9  # of all networks in turn, so that what else the device does disturbs all alike
_RUNS = 8  # of a round, of which the shortest counts


@dataclass(frozen=True, eq=False)
class MeasuredBackbone:
    """A network, with its time on this device and its accuracy on these pictures.

    Attributes:
        name: Of the network.
        input_size: The side of the square picture that it takes, in pixels.
        source: Where its weights came from, with their licence.
        milliseconds: For one picture on this device's processor.
        right: (asked,) bool: which pictures a head on it classified correctly that never saw
            their burst.
        bursts: (asked,) int64, the burst of each.
    """

    name: str
    input_size: int
    source: str
    milliseconds: float
    right: NDArray[np.bool_]
    bursts: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of correct answers, 0 to 1."""
        return float(self.right.mean()) if self.right.size else 0.0


@dataclass(frozen=True, eq=False)
class BackboneChoice:
    """All measurements, and the chosen network.

    Attributes:
        measured: All available networks, the fastest first.
        chosen: The best one.
        latency: The maximum time for a picture, in milliseconds.
        missing: Why other networks could not be tried, a sentence each.
    """

    measured: tuple[MeasuredBackbone, ...]
    chosen: MeasuredBackbone
    latency: float
    missing: tuple[str, ...] = ()

    def describe(self) -> str:
        """Format the table, the reason for the choice, and what more time would gain."""
        wide = max(18, *(len(one.name) for one in self.measured)) + 2
        lines = [f"{'network':<{wide}}{'pixels':>7}{'ms here':>9}  accuracy on left-out bursts"]
        best = -1.0
        for one in self.measured:
            is_on_frontier, best = one.accuracy > best, max(best, one.accuracy)
            marks = [text for text, holds in (
                ("chosen", one is self.chosen),
                ("over --latency", one.milliseconds > self.latency),
                ("a faster one is as accurate", not is_on_frontier),
            ) if holds]  # fmt: skip
            figure = f"{percentage(one.accuracy)} ({one.right.sum()} of {one.right.size})"
            lines.append(
                f"{one.name:<{wide}}{one.input_size:>7}{one.milliseconds:>9.1f}  {figure:<24}"
                f"{', '.join(marks)}".rstrip()
            )
        lines += self.missing
        lines.append(f"chosen: {self.chosen.name}: {self._why()} (weights: {self.chosen.source})")
        more = self._what_more_would_bring()
        return "\n".join([*lines, more] if more else lines)

    def _why(self) -> str:
        within = [one for one in self.measured if one.milliseconds <= self.latency]
        if not within:
            return f"no network takes {self.latency:.1f} ms or less; this is the fastest"
        if not self.chosen.right.size:
            return "there are too few pictures to leave some out; this is the fastest"
        best = max(within, key=lambda one: one.accuracy)
        if self.chosen.accuracy >= best.accuracy:
            return f"the best of those that take {self.latency:.1f} ms or less"
        return (
            f"the fastest; {best.name} gets {best.right.sum() - self.chosen.right.sum()} more "
            "correct, which may be chance"
        )

    def _what_more_would_bring(self) -> str:
        over = [
            one
            for one in self.measured
            if one.milliseconds > self.latency and one.accuracy > self.chosen.accuracy
        ]
        if not over:
            return ""
        best = max(over, key=lambda one: one.accuracy)
        gained = best.right.sum() - self.chosen.right.sum()
        chance = "" if _is_better(best, self.chosen, len(over)) else ", which may be chance"
        return (
            f"{best.name} would get {gained} more of {best.right.size} correct{chance}: "
            f"--latency {int(best.milliseconds) + 1} allows it"
        )


def choose_backbone(
    dataset: Dataset,
    names: Sequence[str],
    *,
    latency: float = HALF_A_FRAME,
    input_size: int | None = None,
    seed: int = 0,
    mirror: str = "auto",
    measured_only: bool = False,
) -> BackboneChoice:
    """Try networks on a data set, and choose one.

    Embeddings are cached beside the pictures as always, so an interrupted choice continues where it
    was.

    Args:
        dataset: Its folder and crop are meant; each network gets an index of its own.
        names: The networks that may be available.
        latency: The maximum time for a picture, in milliseconds.
        input_size: The side of the square picture, in pixels; None takes each network's own.
        seed: For the views.
        mirror: Whether views are mirrored: `on`, `off`, or `auto`, which is measured.
        measured_only: Whether some pictures are held out for testing. Those are not used here, and
            neither is a predefined test part.

    Raises:
        UserError: None of the networks is available.
    """
    found: list[tuple[Backbone, NDArray[np.bool_], NDArray[np.int64]]] = []
    missing = []
    for name in names:
        try:
            backbone = load_backbone(name, "auto", input_size or usual_input_size(name))
        except UserError as error:
            missing.append(f"{name} was not tried: {error}")
            continue
        found.append((backbone, *_ask_left_out(dataset, backbone, seed, mirror, measured_only)))
    if not found:
        raise UserError(" ".join(missing))
    times = time_backbones([backbone for backbone, _, _ in found])
    measured = [
        MeasuredBackbone(one.name, one.input_size, one.source, milliseconds, right, bursts)
        for (one, right, bursts), milliseconds in zip(found, times, strict=True)
    ]
    return choose(measured, latency, missing)


def choose(
    measured: Collection[MeasuredBackbone], latency: float, missing: Sequence[str] = ()
) -> BackboneChoice:
    """Choose the best within the time; a slower one only if its lead is more than chance.

    Args:
        measured: Asked about the same pictures; at least one.
        latency: The maximum time for a picture, in milliseconds.
        missing: See `BackboneChoice`.
    """
    ordered = sorted(measured, key=lambda one: one.milliseconds)
    within = [one for one in ordered if one.milliseconds <= latency] or ordered[:1]
    best = max(within, key=lambda one: one.accuracy)
    comparisons = max(1, len(within) - 1)
    chosen = next(one for one in within if one is best or not _is_better(best, one, comparisons))
    return BackboneChoice(tuple(ordered), chosen, latency, tuple(missing))


def time_backbones(backbones: Sequence[Backbone]) -> list[float]:
    """Time networks on one picture, as `live.py` runs them on the processor.

    Args:
        backbones: Which.

    Returns:
        Milliseconds, the median over rounds of the shortest run.
    """
    sessions, pictures = [], []
    rounds: list[list[float]] = [[] for _ in backbones]
    with tempfile.TemporaryDirectory() as temporary:
        for number, backbone in enumerate(backbones):
            path = Path(temporary) / f"{number}.onnx"
            path.write_bytes(backbone.features.SerializeToString())
            sessions.append(open_session(path, ON_ALL_CORES))
            shape = (1, backbone.input_size, backbone.input_size, 3)
            pictures.append(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
        for _ in track(Stage.TIME_CANDIDATES, range(_ROUNDS)):
            for session, picture, own in zip(sessions, pictures, rounds, strict=True):
                runs = []
                for _ in range(_RUNS):
                    started = time.perf_counter()
                    session.run(picture)
                    runs.append(time.perf_counter() - started)
                own.append(min(runs))
    return [1000.0 * statistics.median(own) for own in rounds]


def _ask_left_out(
    like: Dataset,
    backbone: Backbone,
    seed: int,
    mirror: str,
    measured_only: bool,
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which pictures are classified correctly by heads that never saw their burst."""
    dataset = Dataset(like.folder, crop=like.crop)
    dataset.refresh()
    check_enough(dataset)
    embedder = Embedder(backbone, dataset, seed=seed, mirrored=mirror != "off")
    embedder.load_cached(dataset.ordered())
    if mirror == "auto":
        embedder.adapt(check_mirroring(dataset, embedder).mirrored)
    for _ in track(Stage.EMBED, embedder.embed_all(), len(dataset), f"with {backbone.name}"):
        pass
    embedded = embedded_dataset(dataset, backbone)
    views = embedded.views
    pictures = labelled_pictures(dataset, backbone.input_size)
    if measured_only or pictures.part_indices is not None:
        views = embedded.of(split_data_set(pictures)[0].learnt)
    asked, logits = left_out_logits(views, len(pictures.labels))
    truths = views.label_indices[views.is_original][asked]
    return logits.argmax(axis=1) == truths, views.bursts[views.is_original][asked]


def _is_better(candidate: MeasuredBackbone, baseline: MeasuredBackbone, candidates: int) -> bool:
    compared = compare_paired(baseline.right, candidate.right, candidate.bursts)
    return compared.is_better(candidates)
