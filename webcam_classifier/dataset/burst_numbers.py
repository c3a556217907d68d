"""Which pictures were recorded together, in one number for each burst of the whole data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.dataset.snapshot_name import parse_snapshot_name
from webcam_classifier.dataset.split import find_bursts


def number_bursts(
    names: Sequence[str], label_indices: NDArray[np.int64], fingerprints: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Number the bursts of all labels; no two labels share one.

    Args:
        names: Each picture's path below the data set, in sorted order.
        label_indices: (pictures,) int64.
        fingerprints: (pictures, 256) bool, see `fingerprints.fingerprint`.

    Returns:
        (pictures,) int64, from 0.
    """
    bursts = np.zeros(len(names), dtype=np.int64)
    first = 0
    for label in np.unique(label_indices):
        members = np.flatnonzero(label_indices == label)
        own = find_bursts([names[index] for index in members.tolist()], fingerprints[members])
        bursts[members] = own + first
        first += int(own.max()) + 1
    return bursts


def labels_of_one_burst(
    label_indices: NDArray[np.int64], bursts: NDArray[np.int64], labels: Sequence[str]
) -> tuple[str, ...]:
    """Return the labels whose pictures are all one burst, which has to be cut in time."""
    return tuple(
        label
        for index, label in enumerate(labels)
        if len(np.unique(bursts[label_indices == index])) == 1
    )


def count_recordings(names: Iterable[str]) -> int | None:
    """Count the recordings that pictures come from, by their names alone: cheap, while recording.

    Args:
        names: Each picture's path below its label's folder.

    Returns:
        How many times a key was pressed; None if a name does not tell, as for pictures from
        elsewhere.
    """
    found = {_recording_of(name) for name in names}
    return None if None in found else len(found)


@lru_cache(maxsize=65536)
def _recording_of(name: str) -> tuple[str, int] | None:
    parsed = parse_snapshot_name(PurePosixPath(name).stem)
    return None if parsed is None else parsed[:2]


def are_bursts_named(names: Sequence[str]) -> bool:
    """Whether all names say which pictures were recorded together, as those from collect.py do."""
    return all(parse_snapshot_name(PurePosixPath(name).stem) for name in names)
