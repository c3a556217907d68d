"""Import pictures of another tool or machine into a data set: all of them, or none."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Protocol

from webcam_classifier.dataset.crop_file import CROP_FILE
from webcam_classifier.dataset.file_transaction import FileTransaction
from webcam_classifier.dataset.label_names import check_labels, check_new_label, label_problem
from webcam_classifier.dataset.listing import Listing, list_dataset, printable
from webcam_classifier.dataset.picture_archive import shortened
from webcam_classifier.dataset.picture_files import PictureError, check_header, is_picture_name
from webcam_classifier.dataset.predefined_split import PARTS, find_parts
from webcam_classifier.errors import UserError
from webcam_classifier.exchange.layouts import SIDE_FILES, FoundPicture, Layout, find_layout
from webcam_classifier.exchange.sources import ReadError, Source, open_source
from webcam_classifier.progress import Stage, track

_PART_FOLDERS = ("train", "valid", "test")
_REPLACED = str.maketrans(dict.fromkeys('/\\<>:"|?*', "_"))
_LONGEST_STEM = 120  # characters of a file's name
_LONGEST_ORIGIN = 40  # characters of the source's name in front of it


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        tool: The tool whose layout it has, in words.
        added: Pictures by label.
        parts: Pictures by the name of their part; none without a predefined split.
        known: Pictures that were in the data set already, under the same label.
        elsewhere: Pictures that are in it under another label: their path, and that label.
        renamed: Labels that can't be folders, by what they became.
        refused: Paths of files that were not imported, with the reason.
        notes: What a person should know.
        files: Paths of the pictures that were added, below the data set, with forward slashes.
    """

    tool: str
    added: Mapping[str, int]
    parts: Mapping[str, int]
    known: int
    elsewhere: Sequence[tuple[str, str]]
    renamed: Mapping[str, str]
    refused: Sequence[tuple[str, str]]
    notes: Sequence[str]
    files: Sequence[str]


def import_dataset(source: Path, dataset: Path, label: str | None = None) -> Imported:
    """Import a folder or a zip file into a data set.

    Pictures are recognised by their content: one that is in the data set already is not added
    again, nor under a second label.

    Args:
        source: What another tool wrote, or `export_dataset`; see `layouts`.
        dataset: The folder; it is made where it is missing.
        label: What all pictures show, whatever the source says; None takes its labels.

    Raises:
        UserError: The source is refused, its labels can't be folders beside each other, or the
            data set can't take it. Nothing was changed.
    """
    if source.is_dir() and dataset.exists() and source.samefile(dataset):
        raise UserError(f"{printable(source)} is the data set itself. Name another folder.")
    with open_source(source, SIDE_FILES) as opened:
        return import_source(opened, printable(source), dataset, ImportOptions(label))


@dataclass(frozen=True)
class ImportOptions:
    """How to import.

    Attributes:
        label: What all pictures show, whatever the source says; None takes its labels.
        as_whole: Whether parts, such as `train` and `test`, are merged.
        labels: That the data set has besides those of its folders.
        check: Raises a `PictureError` for a file's content that is no usable picture.
        is_rehearsal: Whether to change nothing, and only find out what would be imported.
    """

    label: str | None = None
    as_whole: bool = False
    labels: Sequence[str] = ()
    check: Callable[[bytes], object] = check_header
    is_rehearsal: bool = False


def import_source(source: Source, name: str, dataset: Path, options: ImportOptions) -> Imported:
    """Import an open source into a data set; see `import_dataset`.

    Args:
        source: Open.
        name: How a person knows it.
        dataset: The folder; it is made where it is missing.
        options: How.

    Raises:
        UserError: As `import_dataset` does.
    """
    try:
        _check_usable(source)
        layout = _layout(source, options.label)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    if options.as_whole:
        layout = _as_whole(layout)
    here = list_dataset(dataset) if dataset.exists() else None
    folders = _part_folders(layout, dataset, here)
    names = _label_folders(layout, dataset, folders)
    for folder in names.values():
        others = [other for other in options.labels if other != folder]
        check_new_label(folder, others, dataset)
    target = Listing(dataset, (), False, (), ()) if here is None else here
    run = _Import(source, layout, target, names, folders, options.check, name)
    with (
        nullcontext(_Nowhere()) if options.is_rehearsal else FileTransaction(dataset) as transaction
    ):
        return run.run(transaction)


def safe_label(label: str) -> str:
    """Return the name of a folder that comes closest to a label.

    >>> safe_label("yes/no?"), safe_label("aux")
    ('yes_no_', 'aux_')

    Args:
        label: As a tool has it.

    Raises:
        UserError: Nothing is left of it.
    """
    name = unicodedata.normalize("NFC", label).translate(_REPLACED)
    name = "".join(letter for letter in name if letter.isprintable()).strip().strip(".").strip()
    if label_problem(name) is not None:
        name = f"{name[:60]}_"
    problem = label_problem(name)
    if problem is not None or name == "_":
        raise UserError(f"The label {label!r} can't be the name of a folder. Rename it there.")
    return name


def _check_usable(source: Source) -> None:
    """Say why where there are pictures and all of them are refused, such as behind a password."""
    refused = [(name, why) for name, why in source.refused if is_picture_name(Path(name))]
    if not source.names and refused:
        (name, why), others = refused[0], len(refused) - 1
        more = f" The same or the like of {others} more." if others else ""
        raise UserError(f"None of its pictures can be read in: {shortened(name)}: {why}.{more}")


def _layout(source: Source, label: str | None) -> Layout:
    if label is None:
        return find_layout(source.names, source.side_files)
    if not source.names:
        raise UserError("It holds no picture. Name a folder or a zip file with pictures in it.")
    pictures = [FoundPicture(name, label, None, name.replace("/", "-")) for name in source.names]
    return Layout("pictures of one label", pictures)


def _as_whole(layout: Layout) -> Layout:
    """Merge the parts, and add a note about it."""
    counts = Counter(one.part for one in layout.pictures if one.part is not None)
    if not counts:
        return layout
    named = ", ".join(f"{count} {PARTS[part]}" for part, count in sorted(counts.items()))
    note = f"It has a predefined split ({named}). It is imported as one: training uses all of it."
    return replace(
        layout,
        pictures=[replace(one, part=None) for one in layout.pictures],
        notes=(*layout.notes, note),
    )


def _part_folders(layout: Layout, dataset: Path, here: Listing | None) -> Mapping[int | None, str]:
    """Say which folder of the data set each part's labels are in."""
    is_split = any(one.part is not None for one in layout.pictures)
    if here is not None and here.pictures and here.is_split != is_split:
        has, lacks = ("What is read in", dataset) if is_split else (dataset, "what is read in")
        raise UserError(
            f"{has} has a predefined split, and {lacks} has none: mixed, the model would be "
            "trained on test pictures. Name a new folder with --dataset."
        )
    if not is_split:
        return {None: ""}
    found = find_parts(dataset) if here is not None else {}
    names = {part: layout.folders.get(part, _PART_FOLDERS[part]) for part in range(len(PARTS))}
    return {part: f"{found[part].name if part in found else name}/" for part, name in names.items()}


def _label_folders(
    layout: Layout, dataset: Path, folders: Mapping[int | None, str]
) -> Mapping[str, str]:
    """Name the folder of each label."""
    labels = sorted({one.label for one in layout.pictures})
    names = {label: safe_label(label) for label in labels}
    taken = Counter(names.values())
    for name, count in taken.items():
        if count > 1:
            alike = " and ".join(repr(label) for label in labels if names[label] == name)
            raise UserError(
                f"The labels {alike} would both have the folder {name!r}. Rename one of them."
            )
    for folder in folders.values():
        check_labels(list(names.values()), dataset / folder)
    return names


class _Target(Protocol):
    """Receives pictures: all of them are added with `commit`, or none."""

    def add(self, name: str, content: bytes) -> None: ...

    def commit(self) -> None: ...


class _Nowhere:
    """A target that discards everything."""

    def add(self, name: str, content: bytes) -> None:
        pass

    def commit(self) -> None:
        pass


class _Import:
    """One import: reads each picture once, and adds all of them together."""

    def __init__(
        self,
        source: Source,
        layout: Layout,
        target: Listing,
        names: Mapping[str, str],
        folders: Mapping[int | None, str],
        check: Callable[[bytes], object],
        origin: str,
    ) -> None:
        self._source, self._layout, self._dataset = source, layout, target.folder
        self._check = check
        self._names, self._folders = names, folders
        self._here = target.pictures
        self._taken = {_key(one.full_name) for one in self._here}
        self._origin = self._free_origin(_safe_stem(PurePath(origin).stem)[:_LONGEST_ORIGIN])
        self._added: Counter[str] = Counter()
        self._parts: Counter[str] = Counter()
        self._known = 0
        self._files: list[str] = []
        self._elsewhere: list[tuple[str, str]] = []
        self._refused = [*source.refused, *layout.refused]

    def run(self, transaction: _Target) -> Imported:
        known = self._known_labels()
        notes = [*self._source.notes, *self._layout.notes]
        for one in track(Stage.READ, self._layout.pictures):
            self._take(one, known, transaction)
        if self._added:
            notes += self._take_files(transaction)
        transaction.commit()
        renamed = {label: name for label, name in self._names.items() if name != label}
        return Imported(
            self._layout.tool, dict(sorted(self._added.items())), dict(self._parts), self._known,
            self._elsewhere, renamed, self._refused, notes, self._files,
        )  # fmt: skip

    def _known_labels(self) -> dict[str, set[str]]:
        """Return the labels of each content that is in the data set already."""
        known: dict[str, set[str]] = {}
        for one in track(Stage.READ, self._here):
            try:
                digest = hashlib.sha256(one.path.read_bytes()).hexdigest()
            except OSError:  # training says so
                continue
            known.setdefault(digest, set()).add(one.label)
        return known

    def _take(self, one: FoundPicture, known: Mapping[str, set[str]], transaction: _Target) -> None:
        try:
            content = self._source.read(one.source)
        except ReadError as error:
            self._refuse(one, str(error))
            return
        digest = hashlib.sha256(content).hexdigest()
        if one.sha256 is not None and digest != one.sha256:
            raise UserError(
                f"{one.source} is not what its checksum says: the file was damaged or changed on "
                "its way. Get it again; nothing was read in."
            )
        try:
            self._check(content)
        except PictureError as error:
            self._refuse(one, str(error))
            return
        label = self._names[one.label]
        labels = known.get(digest, set())
        if label in labels:
            self._known += 1
        elif labels:
            self._elsewhere.append((one.source, min(labels)))
        else:
            name = self._free_name(f"{self._folders[one.part]}{label}", one.name, digest)
            transaction.add(name, content)
            self._files.append(name)
            self._added[label] += 1
            if one.part is not None:
                self._parts[PARTS[one.part]] += 1

    def _refuse(self, one: FoundPicture, reason: str) -> None:
        if one.sha256 is not None:
            raise UserError(f"{one.source} can't be read ({reason}). Get the whole file again.")
        self._refused.append((one.source, reason))

    def _free_origin(self, wanted: str) -> str:
        """Return a prefix for names that are taken; no existing name has it."""
        names = {PurePosixPath(path).name for path in self._taken}
        origin, number = wanted, 2
        while any(name.startswith(_key(f"{origin}-")) for name in names):
            origin, number = f"{wanted}_{number}", number + 1
        return origin

    def _free_name(self, folder: str, wanted: str, digest: str) -> str:
        """Return an unused path, also without regard to case."""
        name = wanted if self._layout.is_exact else _safe_file_name(wanted, digest)
        path = PurePosixPath(folder, name)
        if _key(str(path)) in self._taken and not self._layout.is_exact:
            # In front, so that pictures which follow each other in the source do so here as well:
            # neighbours that look alike are taken for one burst.
            path = path.with_name(f"{self._origin}-{path.name}")
        stem = path.stem
        if _key(str(path)) in self._taken:
            path = path.with_name(f"{stem}-{digest[:8]}{path.suffix}")
        number = 2
        while _key(str(path)) in self._taken:  # the same content twice under one name
            path = path.with_name(f"{stem}-{digest[:8]}-{number}{path.suffix}")
            number += 1
        self._taken.add(_key(str(path)))
        return str(path)

    def _take_files(self, transaction: _Target) -> list[str]:
        """Import the data set's other files, if it has none of its own."""
        notes = []
        for name, path in self._layout.files.items():
            if name not in SIDE_FILES:
                continue
            content, place = self._source.side_files[path], self._dataset / name
            if hashlib.sha256(content).hexdigest() != self._layout.file_hashes[name]:
                raise UserError(
                    f"{path} is not what its checksum says. Get the whole file again; nothing was "
                    "read in."
                )
            if name == CROP_FILE and self._here and not place.exists():
                notes.append(
                    "Its crop.json was not taken, as the pictures that were here are used whole. "
                    "Choose the part of the picture with --crop."
                )
            elif not place.exists():
                transaction.add(name, content)
            elif place.read_bytes() != content:
                notes.append(f"{place} stays as it is; what was read in had another one.")
        return notes


def _safe_file_name(name: str, digest: str) -> str:
    suffix = PurePosixPath(name).suffix
    return f"{_safe_stem(name.removesuffix(suffix)) or digest[:16]}{suffix.lower()}"


def _safe_stem(stem: str) -> str:
    """Return the part of a file's stem that is valid on every system; may be empty."""
    stem = unicodedata.normalize("NFC", stem).translate(_REPLACED)
    stem = "".join(letter for letter in stem if letter.isprintable()).strip(" .")[:_LONGEST_STEM]
    return "" if not stem or label_problem(stem) is not None else stem


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
