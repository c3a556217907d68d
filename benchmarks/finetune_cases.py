"""What the benchmark of fine-tuning teaches and asks: protocols, and all kinds of data together."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.protocols import Fold, all_protocols, protocols_of_things
from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.ood_pictures import ood_pictures
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.frame import BgrImage

TOGETHER = "together"
_PARTS = ("thumbs 1>2", "rooms 1>2", "digits", "masks", "flowers")
_OTHERS_EVERY = 6  # pictures of other data sets: one of so many


@dataclass(frozen=True, eq=False)
class Case:
    """Something taught, and what is asked.

    Attributes:
        name: Of the protocol, with the number of the fold.
        training: What is taught.
        test: New pictures of the same labels.
        unknown: By kind, pictures of no label that was taught.
    """

    name: str
    training: LabelledPictures
    test: LabelledPictures
    unknown: Mapping[str, Sequence[BgrImage]]


def cases(
    folders: Mapping[str, LabelledPictures],
    names: Sequence[str],
    left_out: Sequence[str],
    folder: Path,
) -> Iterator[Case]:
    """Yield what is taught and asked.

    Args:
        folders: By their names below DATA.
        names: Of the cases.
        left_out: Labels that are not taught.
        folder: Where pictures may be put.

    Raises:
        UserError: There is no such protocol, or fold, or label.
    """
    protocols = {
        protocol.name: protocol.folds
        for protocol in (*all_protocols(folders), *protocols_of_things(folders))
    }
    for asked in names:
        name, _, number = asked.partition(":")
        if name == TOGETHER:
            yield together([protocols[part][0] for part in _PARTS], folders, folder)
            continue
        if name not in protocols:
            raise UserError(f"There is no case {name!r}. Choose among {', '.join(protocols)}.")
        folds = protocols[name]
        if number and not (number.isdigit() and int(number) < len(folds)):
            raise UserError(f"{name} has {len(folds)} folds, from 0. Choose one of them.")
        for fold in [int(number)] if number else range(len(folds)):
            yield case_of(f"{name}:{fold}", folds[fold], folders, left_out)


def case_of(
    name: str, fold: Fold, folders: Mapping[str, LabelledPictures], left_out: Sequence[str]
) -> Case:
    """One fold, with what is unknown in it."""
    training = folders[fold.training].at(fold.training_indices)
    test = folders[fold.test].at(fold.test_indices)
    missing = set(left_out) - set(training.labels)
    if missing:
        raise UserError(f"{name} has no label {min(missing)!r}. Name one of {training.labels}.")
    kind = fold.training.split("/")[0]
    others = [folders[one] for one in folders if one.split("/")[0] != kind]
    unknown: dict[str, Sequence[BgrImage]] = {
        "other data": [image for one in others for image in list(one.images)[::_OTHERS_EVERY]],
        **ood_pictures(FinetuneSettings.input_size),
    }
    if left_out:
        gone = [test.labels.index(label) for label in left_out]
        places = np.flatnonzero(np.isin(test.label_indices, gone)).tolist()
        unknown = {"label left out": [test.images[place] for place in places], **unknown}
    return Case(name, without(training, left_out), without(test, left_out), unknown)


def without(pictures: LabelledPictures, left_out: Sequence[str]) -> LabelledPictures:
    """The pictures of all other labels."""
    if not left_out:
        return pictures
    labels = tuple(label for label in pictures.labels if label not in left_out)
    number = {old: labels.index(label) for old, label in enumerate(pictures.labels)
              if label in labels}  # fmt: skip
    kept = [place for place, old in enumerate(pictures.label_indices.tolist()) if old in number]
    chosen = pictures.at(np.array(kept, dtype=np.int64))
    numbers = np.array([number[old] for old in chosen.label_indices.tolist()], dtype=np.int64)
    return dataclasses.replace(chosen, labels=labels, label_indices=numbers)


def together(folds: Sequence[Fold], folders: Mapping[str, LabelledPictures], folder: Path) -> Case:
    """Put several folds into one: each label keeps its kind's name before its own."""
    for fold in folds:
        kind = fold.training.split("/")[0]
        for part, source, places in (
            ("training", fold.training, fold.training_indices),
            ("test", fold.test, fold.test_indices),
        ):
            pictures = folders[source]
            for place in places.tolist():
                name = pictures.names[place]
                label = pictures.labels[pictures.label_indices[place]]
                target = folder / part / f"{kind} {label}" / Path(name).name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(pictures.folder / name, target)
    size = FinetuneSettings.input_size
    training, test = (load_labelled_pictures(folder / part, size) for part in ("training", "test"))
    return Case(TOGETHER, training, test, ood_pictures(size))


def numbers_of(test: LabelledPictures, labels: Sequence[str]) -> NDArray[np.int64]:
    """The right answers, by the numbers that the labels have where they were taught."""
    places = np.array([labels.index(label) for label in test.labels], dtype=np.int64)
    return places[test.label_indices]
