"""What live shows at the default threshold, of other people, rooms and subjects, and of others.

Each row leaves a person, a room, subjects, the end of a recording, or photographs out. `label left
out` is a label that was not taught, each in turn, shown by the new person and by the one who
taught; the others are never of a label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.protocols import DIGITS, ROOMS, THUMBS, beginning_and_end
from webcam_classifier.head.cross_validation import cross_validate, fit_calibrated
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.novelty import KNOWN_SHARE, UNKNOWN_THRESHOLD, Novelty

MASKS, FLOWERS = "masks", ("flowers/train", "flowers/test")
PHOTOGRAPHS = (MASKS, *FLOWERS)

Values = NDArray[np.float32]
_FOLDS = 3
_MOST_LEFT_OUT = 4  # labels, evenly among them: the rest takes long and says the same
_WORTH_A_LINE = 0.01  # of a folder's pictures
_OTHERS_EVERY = 3  # pictures of other data sets: one of so many


@dataclass(frozen=True, eq=False)
class Folder:
    """The pictures of one folder.

    Attributes:
        labels: In their order.
        names: Of the pictures.
        views: Their embeddings.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    views: EmbeddedViews

    def at(self, chosen: NDArray[np.bool_]) -> EmbeddedViews:
        """The views of some pictures."""
        return self.views.of(np.flatnonzero(chosen))

    @property
    def label_indices(self) -> NDArray[np.int64]:
        """(pictures,) int64."""
        return self.views.label_indices[self.views.is_original]


@dataclass(frozen=True, eq=False)
class Share:
    """Something taught, and something new of the same labels.

    Attributes:
        row: Where it counts; rows of several are means.
        kind: Of the data: what `NEW_RECORDING_REACH` takes a median over.
        folder: That was taught from, without the part of it.
        labels: In their order.
        training: What is taught.
        test: What is asked.
    """

    row: str
    kind: str
    folder: str
    labels: tuple[str, ...]
    training: EmbeddedViews
    test: EmbeddedViews


def shares(folders: Mapping[str, Folder]) -> Iterator[Share]:
    """Yield every pair of what is taught and what is asked, as far as the folders are there."""

    def split(row: str, kind: str, name: str, held_out: NDArray[np.bool_]) -> Share:
        folder = folders[name]
        return Share(row, kind, name, folder.labels, folder.at(~held_out), folder.at(held_out))

    for kind, pair in (("thumbs", THUMBS), ("rooms", ROOMS)):
        for name, other in (pair, pair[::-1]):
            row = f"{kind} {name[-1]}>{other[-1]}"
            labels = folders[name].labels
            yield Share(row, kind, name, labels, folders[name].views, folders[other].views)
    subjects = np.array([int(name.split("subject_")[1][:3]) for name in folders[DIGITS].names])
    for fold in range(_FOLDS):
        yield split("digits", "digits", DIGITS, subjects % _FOLDS == fold)
    if MASKS in folders:
        views = folders[MASKS].views
        bursts = views.bursts[views.is_original]
        for fold in range(_FOLDS):
            yield split("masks", "masks", MASKS, bursts % _FOLDS == fold)
    if FLOWERS[0] in folders:
        learnt, asked = (folders[name].views for name in FLOWERS)
        labels = folders[FLOWERS[0]].labels
        yield Share("flowers", "flowers", FLOWERS[0], labels, learnt, asked)
    for name in (*THUMBS, *ROOMS):
        folder = folders[name]
        few, end = beginning_and_end(folder.label_indices)
        is_end = np.isin(np.arange(len(folder.names)), end)
        short = "thumbs" if name in THUMBS else "rps"
        yield split(f"{short}, end of the recording", "end", name, is_end)
        if name in ROOMS:
            yield Share(
                "rps, 10 snapshots a label", "few", name, folder.labels,
                folder.views.of(few), folder.views.of(end),
            )  # fmt: skip


def print_shares(
    folders: Mapping[str, Folder], out_of_distribution: Mapping[str, Values], seed_words: str
) -> None:
    """Measure everything at the default threshold, and print one row for each kind of test."""
    rows: dict[str, list[list[float]]] = {}
    reaches: dict[str, list[NDArray[np.floating]]] = {}
    of_others: dict[tuple[str, str], list[float]] = {}
    for share in shares(folders):
        novelty, figures, reach = measure(share, folders, out_of_distribution)
        rows.setdefault(share.row, []).append(figures)
        reaches.setdefault(share.kind, []).append(reach)
        for name, asked in other_data(share, folders).items():
            of_others.setdefault((share.row, name), []).append(passing(novelty, asked))
    header = (
        "asked about",
        "right",
        "shown right, wrong, unknown",
        "strict: shown right",
        "other data",
        *(f"{kind} (not as none)" for kind in out_of_distribution),
        "label left out: shown, by the new one, by the one who taught",
        "AUROC of it",
    )
    print(f"{seed_words}\n| " + " | ".join(header) + " |")
    print("| " + " | ".join("---" for _ in header) + " |")
    for row, found in rows.items():
        right, *rest = np.mean(found, axis=0).tolist()
        one, wrong, unknown, strict, other, *strange = rest
        odd, left = strange[: 2 * len(out_of_distribution)], strange[-4:]
        cells = [f"{right:.3f}", f"{one:.3f}, {wrong:.3f}, {unknown:.3f}", f"{strict:.3f}"]
        cells += [f"{other:.3f}"]
        cells += [f"{odd[at]:.2f} ({odd[at + 1]:.2f})" for at in range(0, len(odd), 2)]
        has_left = not np.isnan(left[0])
        cells += [f"{left[0]:.2f}, {left[1]:.2f}" if has_left else "-"]
        cells += [f"{left[2]:.3f}, {left[3]:.3f}" if has_left else "-"]
        print(f"| {row} | " + " | ".join(cells) + " |", flush=True)
    print("\nother data shown, where more than 0.01 of a folder is:")
    for (row, name), shown in of_others.items():
        if np.mean(shown) > _WORTH_A_LINE:
            print(f"  {row}: {name} {np.mean(shown):.3f}")
    print_reaches({kind: np.mean(found, axis=0) for kind, found in reaches.items()})


def print_reaches(reaches: Mapping[str, NDArray[np.floating]]) -> None:
    """Print how far new recordings are, and the median over kinds of data without each of them."""
    kinds = [kind for kind in reaches if kind != "few"]
    print("\n95 % of what is new and answered right is within, in both distances:")
    for kind in kinds:
        print(f"  {kind}: {reaches[kind][0]:.2f}, {reaches[kind][1]:.2f}")
    for left in (None, *kinds):
        median = np.median([reaches[kind] for kind in kinds if kind != left], axis=0)
        print(f"  median without {left or 'none of them'}: {median[0]:.2f}, {median[1]:.2f}")


def measure(
    share: Share, folders: Mapping[str, Folder], out_of_distribution: Mapping[str, Values]
) -> tuple[Novelty, list[float], NDArray[np.floating]]:
    """Teach, and ask about everything.

    Returns:
        The score; the figures in the order of the table, nan where there are none; and what 95 %
        of the new pictures that were answered right are within, in both distances.
    """
    count = len(share.labels)
    head, novelty = fit_calibrated(share.training, count)
    asked, truths = originals(share.test)
    is_right = head.logits(asked).argmax(axis=1) == truths
    scores = novelty.scores(asked)
    is_shown = scores <= UNKNOWN_THRESHOLD
    is_strictly_shown = scores <= novelty.strict_threshold
    figures = [is_right, is_right & is_shown, ~is_right & is_shown, ~is_shown]
    found = [float(one.mean()) for one in (*figures, is_right & is_strictly_shown)]
    found.append(passing(novelty, np.concatenate(list(other_data(share, folders).values()))))
    for drawn in out_of_distribution.values():
        is_none = np.array(share.labels)[head.logits(drawn).argmax(axis=1)] == "none"
        passes = novelty.scores(drawn) <= UNKNOWN_THRESHOLD
        found += [float(passes.mean()), float((passes & ~is_none).mean())]
    found += left_out(share)
    reach = np.quantile(novelty.distances(asked[is_right]), KNOWN_SHARE, axis=0)
    return novelty, found, reach


def other_data(share: Share, folders: Mapping[str, Folder]) -> dict[str, Values]:
    """Some pictures of each folder of another kind, (pictures, features)."""
    kind = share.folder.split("/")[0]
    return {
        name: originals(folder.views)[0][::_OTHERS_EVERY]
        for name, folder in folders.items()
        if name.split("/")[0] != kind
    }


def left_out(share: Share) -> list[float]:
    """Leave labels out in turn: how many are shown, by the new and by the old; AUROC of both."""
    count = len(share.labels)
    if count < 3:
        return [float("nan")] * 4
    found = []
    places = np.linspace(0, count - 1, min(count, _MOST_LEFT_OUT)).round().astype(np.int64)
    for left in places.tolist():
        taught, known = (_without(views, left) for views in (share.training, share.test))
        novelty = cross_validate(taught, count - 1).novelty
        if novelty is None:
            raise ValueError("cross-validation was asked for no novelty")
        of_known = novelty.scores(originals(known)[0])
        gone = [
            originals(views.only(views.label_indices == left))[0]
            for views in (share.test, share.training)
        ]
        own = [passing(novelty, one) for one in gone]
        own += [_auroc(of_known, novelty.scores(one)) for one in gone]
        found.append(own)
    return [float(value) for value in np.mean(found, axis=0)]


def originals(views: EmbeddedViews) -> tuple[Values, NDArray[np.int64]]:
    """The pictures themselves, with their labels."""
    return views.embeddings[views.is_original], views.label_indices[views.is_original]


def passing(novelty: Novelty, embeddings: Values) -> float:
    """Share that live shows as a label at the default threshold."""
    return float((novelty.scores(embeddings) <= UNKNOWN_THRESHOLD).mean())


def _without(views: EmbeddedViews, left: int) -> EmbeddedViews:
    kept = views.only(views.label_indices != left)
    return replace(kept, label_indices=kept.label_indices - (kept.label_indices > left))


def _auroc(known: Values, unknown: Values) -> float:
    truths: Sequence[int] = [0] * len(known) + [1] * len(unknown)
    return float(roc_auc_score(truths, np.concatenate([known, unknown])))
