"""Find the labels of the pictures in another tool's export, by its folders, names and lists.

Layouts, each as its tool writes it:

- Ours: `teach-camera.json`, see `manifest`.
- Edge Impulse: `info.labels` (https://docs.edgeimpulse.com, "Edge Impulse exporter format"), or
  `training/` and `testing/` with files called `LABEL.anything.jpg`.
- Roboflow: `train/ valid/ test/`, each with folders of labels, or with `_classes.csv`, which has a
  column for each class.
- Teachable Machine: `project.tm`, a zip file with `manifest.json`. How it names pictures is not
  documented; folders of classes, `CLASS-samples/`, and `CLASS-!-NUMBER.jpg` are understood.
- jetson-inference, Lobe and others: folders of labels, with or without folders of parts;
  `labels.txt` beside them lists the labels.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from webcam_classifier.dataset.category_names import CATEGORY_NAMES_FILES
from webcam_classifier.dataset.crop_file import CROP_FILE
from webcam_classifier.dataset.predefined_split import PARTS, TRAINING_PART, part_of_name
from webcam_classifier.errors import UserError
from webcam_classifier.exchange.manifest import CHECKSUMS_NAME, MANIFEST_NAME, read_manifest

EDGE_IMPULSE_LIST = "info.labels"
ROBOFLOW_LIST = "_classes.csv"
TEACHABLE_MANIFEST = "manifest.json"
LABEL_LIST = "labels.txt"
MODEL_METADATA = "metadata.json"

SIDE_FILES = (
    MANIFEST_NAME, EDGE_IMPULSE_LIST, ROBOFLOW_LIST, TEACHABLE_MANIFEST, LABEL_LIST,
    MODEL_METADATA, CHECKSUMS_NAME.lower(), CROP_FILE, *CATEGORY_NAMES_FILES,
)  # fmt: skip
"""Names of files that hold labels or crops, in lower case."""

_NO_LABEL_FOLDER = "not in a folder that says its label"
_NUMBERED_CLASS = re.compile(r"[0-9]+ (?P<label>.+)")  # Teachable Machine's `0 Class 1`
_SAMPLE_NAME = re.compile(r"(?P<label>.+?)-!-(?P<rest>.+)")
_SAMPLES = "-samples"


@dataclass(frozen=True)
class FoundPicture:
    """A picture and its label.

    Attributes:
        source: Its path in the source.
        label: As the tool has it; not a folder's name yet.
        part: An index into `predefined_split.PARTS`, or None without a predefined split.
        name: What its file may be called: the path below the label's folder.
        sha256: What its content must have, where that is known.
    """

    source: str
    label: str
    part: int | None
    name: str
    sha256: str | None = None


@dataclass(frozen=True)
class Layout:
    """The content of an export.

    Attributes:
        tool: The tool, in words.
        pictures: Those that can be used.
        refused: Paths of others, with the reason.
        notes: What a person should know, a sentence each.
        folders: The folder of each part, if the export names it.
        files: Paths of files that belong to the data set, by their place in it.
        file_hashes: The sha256 of each of those.
        is_exact: Whether pictures keep their places and names.
    """

    tool: str
    pictures: Sequence[FoundPicture]
    refused: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    folders: Mapping[int, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    file_hashes: Mapping[str, str] = field(default_factory=dict)
    is_exact: bool = False


def find_layout(names: Sequence[str], side_files: Mapping[str, bytes]) -> Layout:
    """Recognise a layout.

    Args:
        names: Paths of the pictures, with forward slashes.
        side_files: Contents of the files called as in `SIDE_FILES`, by path.

    Raises:
        UserError: There is no picture, a list is damaged, or parts and labels can't be told apart.
    """
    if not names:
        raise UserError(_without_pictures(side_files))
    lists = {name: _paths_of(side_files, name) for name in SIDE_FILES}
    if lists[MANIFEST_NAME]:
        return _ours(names, lists[MANIFEST_NAME][0], side_files)
    if lists[EDGE_IMPULSE_LIST]:
        return _listed("Edge Impulse", names, lists[EDGE_IMPULSE_LIST], side_files, _edge_impulse)
    if lists[ROBOFLOW_LIST]:
        return _listed("Roboflow", names, lists[ROBOFLOW_LIST], side_files, _roboflow)
    is_teachable = bool(lists[TEACHABLE_MANIFEST]) or any("-!-" in name for name in names)
    layout = _folders(names, "Teachable Machine" if is_teachable else "")
    layout = _with_crop(layout, lists[CROP_FILE], side_files)
    listed = [label for path in lists[LABEL_LIST] for label in read_labels(side_files[path])]
    missing = sorted(set(listed) - {one.label for one in layout.pictures})
    if not missing:
        return layout
    note = f"labels.txt lists {', '.join(missing)}, of which there is no picture."
    return dataclasses.replace(layout, notes=(*layout.notes, note))


def _with_crop(layout: Layout, paths: Sequence[str], side_files: Mapping[str, bytes]) -> Layout:
    """Read the crop from a plain copy of a data set."""
    tops = {one.source.partition("/")[0] for one in layout.pictures}
    own = [
        path
        for path in paths
        if path == CROP_FILE or (len(tops) == 1 and path == f"{min(tops)}/{CROP_FILE}")
    ]
    if len(own) != 1:
        return layout
    digest = hashlib.sha256(side_files[own[0]]).hexdigest()
    return dataclasses.replace(layout, files={CROP_FILE: own[0]}, file_hashes={CROP_FILE: digest})


def read_labels(content: bytes) -> list[str]:
    """Read a list of labels, a line each, with Teachable Machine's numbers or without.

    Args:
        content: Of `labels.txt`.
    """
    lines = [line.strip() for line in content.decode("utf-8-sig", errors="replace").splitlines()]
    labels = [line for line in lines if line]
    numbered = [_NUMBERED_CLASS.fullmatch(label) for label in labels]
    if labels and all(
        match and match[0].startswith(f"{number} ") for number, match in enumerate(numbered)
    ):
        return [match["label"] for match in numbered if match]
    return labels


def _without_pictures(side_files: Mapping[str, bytes]) -> str:
    labels: list[str] = []
    for path in _paths_of(side_files, LABEL_LIST):
        labels = read_labels(side_files[path])
    for path in _paths_of(side_files, MODEL_METADATA):
        found = _json(path, side_files[path])
        listed = found.get("labels") if isinstance(found, dict) else None
        labels = [label for label in listed or [] if isinstance(label, str)] or labels
    if not labels:
        return "It holds no picture. Name a folder or a zip file with pictures in it."
    named = " ".join(f'"{label}"' if " " in label else label for label in labels)
    return (
        f"It is a model with the labels {', '.join(labels)}, and holds no picture to learn from. "
        f"Export the project with its pictures, or record them: `python collect.py {named}`."
    )


def _paths_of(side_files: Mapping[str, bytes], name: str) -> list[str]:
    return sorted(path for path in side_files if PurePosixPath(path).name.lower() == name)


def _ours(names: Sequence[str], path: str, side_files: Mapping[str, bytes]) -> Layout:
    manifest = read_manifest(side_files[path])
    above = path.removesuffix(MANIFEST_NAME)
    there = set(names)
    pictures: list[FoundPicture] = []
    lost: list[str] = []
    folders = {
        PARTS.index(part): folder for part, folder in manifest.parts.items() if part in PARTS
    }
    for one in manifest.pictures:
        if above + one.path not in there:
            lost.append(one.path)
            continue
        part = PARTS.index(one.part) if one.part in PARTS else None
        start = one.label if part is None else f"{folders.get(part, '')}/{one.label}"
        if not one.path.startswith(f"{start}/"):
            raise UserError(
                f"{MANIFEST_NAME} says that {one.path} is of {one.label!r}, and its folder says "
                "another. Write the zip file again."
            )
        name = one.path.removeprefix(f"{start}/")
        pictures.append(FoundPicture(above + one.path, one.label, part, name, one.sha256))
    if lost:
        raise UserError(
            f"{len(lost)} of {len(manifest.pictures)} pictures that {MANIFEST_NAME} lists are "
            f"missing, such as {lost[0]}. Get the whole file again."
        )
    unlisted = sorted(there - {one.source for one in pictures})
    refused = [(name, f"{MANIFEST_NAME} does not list it") for name in unlisted]
    beside = {name: above + name for name in manifest.files if above + name in side_files}
    return Layout(
        "teach-camera", pictures, refused, (), folders, beside, manifest.files, is_exact=True
    )


_Labels = dict[str, tuple[str | None, int | None, str]]  # by path: label, part, why there is none


def _listed(
    tool: str,
    names: Sequence[str],
    lists: Iterable[str],
    side_files: Mapping[str, bytes],
    read: Callable[[str, bytes], _Labels],
) -> Layout:
    """Take labels from lists; a picture that none of them has is refused."""
    known: _Labels = {}
    for path in lists:
        known.update(read(path, side_files[path]))
    pictures: list[FoundPicture] = []
    refused: list[tuple[str, str]] = []
    for name in names:
        label, part, problem = known.get(name, (None, None, "in no list of labels"))
        if label is None:
            refused.append((name, problem))
        else:
            pictures.append(FoundPicture(name, label, part, PurePosixPath(name).name))
    lost = len(set(known) - set(names))
    notes = [f"{lost} files that its lists name are no pictures here."] if lost else []
    return Layout(tool, _whole_or_split(pictures, notes), refused, notes)


def _whole_or_split(pictures: Sequence[FoundPicture], notes: list[str]) -> list[FoundPicture]:
    """Treat a source as not split if it has only one part, or pictures outside of parts."""
    parts = {one.part for one in pictures}
    if TRAINING_PART in parts and len(parts) > 1 and None not in parts:
        return list(pictures)
    named = sorted(PARTS[part] for part in parts if part is not None)
    if named:
        notes.append(
            f"It names parts ({', '.join(named)}), but no complete split: it is imported as one."
        )
    return [FoundPicture(one.source, one.label, None, one.name, one.sha256) for one in pictures]


def _edge_impulse(path: str, content: bytes) -> _Labels:
    found = _json(path, content)
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(files, list):
        raise UserError(f'{path} is no list of Edge Impulse: it has no "files". Export it again.')
    labels: _Labels = {}
    for one in files:
        if not isinstance(one, dict) or not isinstance(one.get("path"), str):
            raise UserError(f"{path} names a file without a path. Export it again.")
        said = one.get("label")
        label = said.get("label") if isinstance(said, dict) else said
        problem = ""
        if not isinstance(label, str) or not label.strip():
            label = None
            problem = "boxes and no label" if one.get("boundingBoxes") else "not labelled"
        category = one.get("category")
        part = part_of_name(category) if isinstance(category, str) else None
        labels[str(PurePosixPath(path).parent / one["path"])] = (label, part, problem)
    return labels


def _roboflow(path: str, content: bytes) -> _Labels:
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig", errors="replace"))))
    except csv.Error as error:
        raise UserError(f"{path} is damaged ({error}). Export it again.") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    if len(header) < 2 or header[0].lower() != "filename":
        raise UserError(
            f"{path} is no list of Roboflow: its first line is not `filename, CLASS, ...`. Export "
            "it again as Multi-Class Classification or Folder Structure."
        )
    folder = PurePosixPath(path).parent
    part = part_of_name(folder.name)
    labels: _Labels = {}
    for row in rows[1:]:
        if not any(cell.strip() for cell in row):
            continue
        cells = [cell.strip() for cell in row]
        given = [label for label, cell in zip(header[1:], cells[1:], strict=False) if cell == "1"]
        problem = "not labelled" if not given else f"has {len(given)} labels: {', '.join(given)}"
        labels[str(folder / cells[0])] = (given[0] if len(given) == 1 else None, part, problem)
    return labels


def _json(path: str, content: bytes) -> object:
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}). Export it again.") from error


@dataclass(frozen=True)
class _Tree:
    """The meaning of the outer folders.

    Attributes:
        depth: How many folders only wrap all others.
        parts: Folders that are parts with label folders in them, by name.
        is_split: Whether what is in each part is kept apart.
    """

    depth: int
    parts: Mapping[str, int]
    is_split: bool


def _folders(names: Sequence[str], tool: str) -> Layout:
    """Take labels from folders, and from names where the folders are parts."""
    split = {name: name.split("/") for name in names}
    paths = list(split.values())
    depth = _wrappers(paths)
    tops = {path[depth] for path in paths if len(path) > depth + 1}
    found = {top: part for top in tops if (part := part_of_name(top)) is not None}
    deep = {top: part for top, part in found.items() if _has_labels(paths, depth, top)}
    if len(found) > 1 and not deep and _has_named(paths, depth, set(found)):
        return _named_files(split, depth, found)
    tree = _tree(depth, tops, deep)
    pictures: list[FoundPicture] = []
    refused: list[tuple[str, str]] = []
    for name, path in split.items():
        one = _in_folders(name, path[depth:], tree, bool(tool))
        if isinstance(one, FoundPicture):
            pictures.append(one)
        else:
            refused.append((name, one))
    notes = []
    if tree.parts and not tree.is_split:
        notes.append(f"{min(tree.parts)}/ is no label, and the only part: it is imported as one.")
    return Layout(tool or "folders of labels", pictures, refused, notes)


def _tree(depth: int, tops: Collection[str], deep: Mapping[str, int]) -> _Tree:
    """Distinguish parts from labels.

    Raises:
        UserError: That is ambiguous.
    """
    if TRAINING_PART in deep.values() and len(deep) > 1:
        for part in deep.values():
            alike = sorted(top for top, other in deep.items() if other == part)
            if len(alike) > 1:
                raise UserError(
                    f"The folders {' and '.join(alike)} are both called like the {PARTS[part]} "
                    "part. Rename one of them."
                )
        return _Tree(depth, deep, is_split=True)
    if len(deep) > 1:
        raise UserError(
            f"It can't be told what is a part and what a label: {', '.join(sorted(tops))}. Rename "
            "the folders, such as train/, valid/ and test/, or read in one of them alone."
        )
    return _Tree(depth, deep if set(deep) == set(tops) else {}, is_split=False)


def _in_folders(
    name: str, below: Sequence[str], tree: _Tree, is_teachable: bool
) -> FoundPicture | str:
    """Return one picture's label, or why there is none."""
    part = None
    if tree.parts:
        if below[0] not in tree.parts:
            return "beside the folders of the parts, and in none of them"
        part = tree.parts[below[0]]
        below = below[1:]
        if len(below) > 2 and part_of_name(below[0]) == part:
            below = below[1:]  # training_set/training_set/cat
    kept = part if tree.is_split else None
    sample = _SAMPLE_NAME.fullmatch(below[-1])
    if len(below) > 1:
        label = below[0].removesuffix(_SAMPLES) if is_teachable else below[0]
        return FoundPicture(name, label, kept, "-".join(below[1:]))
    if sample is not None:
        return FoundPicture(name, sample["label"], kept, sample["rest"])
    return _NO_LABEL_FOLDER


def _wrappers(paths: Sequence[list[str]]) -> int:
    """How many folders only wrap all others."""
    first, last = min(paths), max(paths)  # what they share, all that stand between them do
    most = min(map(len, paths)) - 2
    depth = 0
    while depth < most and first[depth] == last[depth] and part_of_name(first[depth]) is None:
        depth += 1
    return depth


def _has_labels(paths: Iterable[Sequence[str]], depth: int, top: str) -> bool:
    below = [path for path in paths if len(path) > depth + 1 and path[depth] == top]
    return all(len(path) > depth + 2 for path in below)


def _has_named(paths: Iterable[Sequence[str]], depth: int, tops: set[str]) -> bool:
    names = [path[-1] for path in paths if len(path) == depth + 2 and path[depth] in tops]
    return all(len(name.split(".")) > 2 for name in names)


def _named_files(
    split: Mapping[str, Sequence[str]], depth: int, found: Mapping[str, int]
) -> Layout:
    """Take labels from names, `training/cup.17.jpg`, as Edge Impulse's uploader does."""
    pictures: list[FoundPicture] = []
    refused: list[tuple[str, str]] = []
    for name, pieces in split.items():
        part = found.get(pieces[depth])
        if part is None or len(pieces) != depth + 2:
            refused.append((name, "in none of the folders training/ and testing/"))
        else:
            label = pieces[-1].split(".")[0]
            pictures.append(FoundPicture(name, label, part, pieces[-1]))
    notes = ["Labels are what stands before the first dot of each name."]
    return Layout("Edge Impulse", _whole_or_split(pictures, notes), refused, notes)
