"""Export a model to Core ML, without running it there: its runtime is a part of macOS.

The answers that are compared are those of the torch program that Apple's converter converts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from webcam_classifier.backbone.optional_torch import needing_torch
from webcam_classifier.command_names import install_command
from webcam_classifier.errors import UserError
from webcam_classifier.export.foreign_model import (
    CARD_NAME,
    LABELS_NAME,
    ForeignModel,
    card_for_others,
    label_list,
)
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model_card import INPUT_NAME, OUTPUT_NAME, UNKNOWN_NAME
from webcam_classifier.progress import Stage, track
from webcam_classifier.runtime.error_summary import summarise_error
from webcam_classifier.runtime.one_picture_graph import one_picture_graph
from webcam_classifier.temporary_files import temporary_folder

PACKAGE_NAME = "model.mlpackage"


def to_coreml(original: Classifier, pictures: Sequence[BgrImage], folder: Path) -> ForeignModel:
    """Convert a model to a Core ML package, and run the torch program that it was converted from.

    Args:
        original: The model.
        pictures: (size, size, 3) uint8 each, prepared.
        folder: Where the files are going to be, for the usage text.

    Raises:
        UserError: A package is not installed, or the model can't be converted.
    """
    if importlib.util.find_spec("coremltools") is None:
        raise UserError(
            "Core ML packages are written by coremltools, which is not installed. Run "
            f"`{install_command('coreml')}`, with Python 3.10 to 3.13 on "
            "Linux (x86-64) or macOS."
        )
    labels = label_list(original)
    with needing_torch("--format coreml"):
        from webcam_classifier.finetune import torch_programs

    size = original.card.input_size
    graph = one_picture_graph(original.path)
    traced = torch_programs.traced_from_planes(graph, size)
    answers, scores = torch_programs.ask_program(
        torch_programs.of_pixels(traced), track(Stage.COMPARE, pictures)
    )
    package = _converted(traced, original)
    usage: tuple[str, ...] = (
        f"unzip {folder / PACKAGE_NAME}.zip on a Mac, and drag {PACKAGE_NAME} into Xcode",
        f"takes {INPUT_NAME!r}, an image of {size} x {size}: let Vision scale it with scaleFill, "
        f"which keeps the whole picture; gives {OUTPUT_NAME!r}, in the order of {LABELS_NAME}"
        + (f", and {UNKNOWN_NAME!r}" if scores is not None else ""),
        "not run as Core ML, which macOS alone can: the answers above are torch's, from which it "
        "was converted",
    )
    if original.card.crop is not None:
        usage = (*usage, "this model was trained on a part of the picture: cut it out before")
    contents = {
        f"{PACKAGE_NAME}.zip": package,
        LABELS_NAME: labels,
        CARD_NAME: card_for_others(original),
    }
    return ForeignModel(contents, answers, scores, torch_programs.version(), usage)


def _converted(traced: Any, original: Classifier) -> bytes:  # noqa: ANN401 of torch, which may be absent
    """Return the package, which is a folder, as a zip file, so that it can be copied to a Mac."""
    # It prints progress bars, and warns about macOS-only features and every newer torch.
    with (
        temporary_folder() as place,
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        import coremltools

        try:
            _convert(coremltools, traced, original).save(str(place / PACKAGE_NAME))
        except (
            Exception
        ) as error:  # it may raise anything with a version of torch that it was not made for
            raise UserError(
                f"coremltools {coremltools.__version__} can't convert {original.path} "
                f"({summarise_error(error)}). Take a version of Python and torch that it was "
                "tested with, or another --format."
            ) from error
        return _zipped(place / PACKAGE_NAME)


def _convert(coremltools: Any, traced: Any, original: Classifier) -> Any:  # noqa: ANN401 has no types
    size = original.card.input_size
    outputs = [OUTPUT_NAME]
    if original.card.unknown_threshold is not None:
        outputs.append(UNKNOWN_NAME)
    image = coremltools.ImageType(
        name=INPUT_NAME, shape=(1, 3, size, size), color_layout=coremltools.colorlayout.BGR
    )
    return coremltools.convert(
        traced,
        source="pytorch",
        convert_to="mlprogram",
        inputs=[image],
        outputs=[coremltools.TensorType(name=name) for name in outputs],
        compute_precision=coremltools.precision.FLOAT32,  # float16 moves the score of unknown
        minimum_deployment_target=coremltools.target.iOS15,
        skip_model_load=True,
    )


def _zipped(folder: Path) -> bytes:
    """Return a folder as a zip file, in which the folder keeps its name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return file.getvalue()
