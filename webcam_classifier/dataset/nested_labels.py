"""Detect a data set whose top-level folders are people or rooms that contain the labels."""

from __future__ import annotations

from webcam_classifier.command_names import typed
from webcam_classifier.dataset.labelled_pictures import LabelledPictures

_FEWEST = 2  # folders that all labels have
_NAMED = 4


def describe_nested(pictures: LabelledPictures) -> str:
    """Say that all labels hold folders of the same names; empty where they do not.

    Args:
        pictures: A data set, whose labels are the outermost folders.
    """
    inner = [
        {
            parts[1]
            for name, index in zip(pictures.names, pictures.label_indices.tolist(), strict=True)
            if index == label and len(parts := _below_part(name, pictures.labels[label])) > 2
        }
        for label in range(len(pictures.labels))
    ]
    if len(inner) < 2 or len(inner[0]) < _FEWEST or any(one != inner[0] for one in inner):
        return ""
    first, second = (typed(pictures.folder / label) for label in pictures.labels[:2])
    more = ", ..." if len(inner[0]) > _NAMED else ""
    return (
        f"warning: {', '.join(pictures.labels[:_NAMED])} hold folders of the same names "
        f"({', '.join(sorted(inner[0])[:_NAMED])}{more}), and are taken for the labels. If the "
        f"labels are within them, train on one and test on another, `python train.py {first} "
        f"--test-dataset {second}`, or read each into one data set: `python collect.py "
        f"--import {first} --dataset FOLDER`."
    )


def _below_part(name: str, label: str) -> list[str]:
    """The parts of a path from the label on: with a predefined split there is a folder above it."""
    parts = name.split("/")
    return parts[parts.index(label) :] if label in parts else []
