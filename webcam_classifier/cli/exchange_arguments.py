"""`collect` with --import and --export: read other tools' data sets, and write ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from webcam_classifier.command_names import as_installed, typed
from webcam_classifier.dataset.labelled_pictures import describe_skipped
from webcam_classifier.dataset.listing import SkippedFile
from webcam_classifier.errors import UserError
from webcam_classifier.exchange.export_dataset import export_dataset
from webcam_classifier.exchange.import_dataset import import_dataset

_NAMED = 5  # pictures that a sentence names


def add_exchange_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --import and --export."""
    group = parser.add_argument_group("other tools and machines")
    what = group.add_mutually_exclusive_group()
    what.add_argument(
        "--import",
        type=Path,
        dest="imported",
        metavar="SOURCE",
        help="import a folder or a zip file: of Teachable Machine (project.tm), Edge Impulse, "
        "Roboflow, Lobe, jetson-inference, --export, or folders of labels; with a LABEL, all of "
        "it as that label",
    )
    what.add_argument(
        "--export",
        type=Path,
        dest="exported",
        metavar="FILE.zip",
        help="write the data set as one zip file, with a manifest and checksums",
    )


def exchange(options: argparse.Namespace) -> bool:
    """Import or export, if that was asked for.

    Returns:
        Whether it was.

    Raises:
        UserError: It can't be done.
    """
    if options.imported is not None:
        if len(options.labels) > 1:
            raise UserError(
                "With --import labels come from what is read in, or one label is given for all of "
                f"it, and there are {len(options.labels)}. Leave them out."
            )
        _import(options.imported, options.dataset, options.labels[0] if options.labels else None)
        return True
    if options.exported is not None:
        if options.labels:
            raise UserError("--export writes the whole data set. Leave the labels out.")
        _export(options.dataset, options.exported)
        return True
    return False


def _import(source: Path, dataset: Path, label: str | None) -> None:
    found = import_dataset(source, dataset, label)
    total = sum(found.added.values())
    print(f"read in from {source} ({found.tool}): {total} pictures into {dataset}")
    for name, count in found.added.items():
        print(f"  {name}: {count}")
    if found.parts:
        print("parts: " + ", ".join(f"{count} {part}" for part, count in found.parts.items()))
    for old, new in found.renamed.items():
        print(f"note: the label {old!r} can't be the name of a folder, and is called {new!r}")
    if found.known:
        print(f"in the data set already: {found.known}")
    if found.elsewhere:
        named = "; ".join(f"{path} is in {there}" for path, there in found.elsewhere[:_NAMED])
        print(f"left out, in the data set under another label: {len(found.elsewhere)} ({named})")
    for note in found.notes:
        print(f"note: {note}")
    if found.refused:
        print(describe_skipped([SkippedFile(Path(path), why) for path, why in found.refused]))
    if not total and not found.known:
        raise UserError(f"Nothing of {source} could be read in. The lines above say why.")
    if total:
        print(as_installed(f"next: python train.py {typed(dataset)}"))


def _export(dataset: Path, file: Path) -> None:
    done = export_dataset(dataset, file)
    size = file.stat().st_size / 1e6
    print(
        f"written: {file}, {len(done.manifest.pictures)} pictures of {len(done.manifest.labels)} "
        f"labels, {size:.1f} MB"
    )
    if done.skipped:
        print(describe_skipped(done.skipped))
    print(
        as_installed(f"next: python collect.py --import {typed(file.name)}, on the other machine")
    )
