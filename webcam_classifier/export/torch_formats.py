"""Export a model to files that torch runs without other packages, and run them.

`torch.export` is the format that torch develops. TorchScript is deprecated, but it is what libtorch
in C++ loads, and older versions of torch such as those for Jetsons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from webcam_classifier.backbone.optional_torch import needing_torch
from webcam_classifier.export.foreign_model import (
    CARD_NAME,
    LABELS_NAME,
    ForeignModel,
    card_for_others,
    label_list,
    what_it_takes,
)
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.progress import Stage, track
from webcam_classifier.runtime.one_picture_graph import one_picture_graph

EXPORTED_NAME, SCRIPT_NAME = "model.pt2", "model.torchscript.pt"


def to_torch_export(
    original: Classifier, pictures: Sequence[BgrImage], folder: Path
) -> ForeignModel:
    """Convert a model to a program of torch.export, and run it.

    Args:
        original: The model.
        pictures: (size, size, 3) uint8 each, prepared.
        folder: Where the files are going to be, for the usage text.

    Raises:
        UserError: Torch is not installed, or the model can't be converted.
    """
    labels = label_list(original)
    with needing_torch("--format torch-export"):
        from webcam_classifier.finetune import torch_programs

    program = torch_programs.exported_program(
        one_picture_graph(original.path), original.card.input_size
    )
    content = torch_programs.exported_bytes(program)
    usage = (
        f"torch.export.load({str(folder / EXPORTED_NAME)!r}).module() {what_it_takes(original)}",
        "any number of pictures at once; load it with this version of torch or a newer one",
    )
    loaded = torch_programs.load_exported(content)
    contents = {EXPORTED_NAME: content, LABELS_NAME: labels}
    return _asked(original, pictures, contents, loaded, usage)


def to_torchscript(
    original: Classifier, pictures: Sequence[BgrImage], folder: Path
) -> ForeignModel:
    """Convert a model to TorchScript, and run it.

    Args:
        original: The model.
        pictures: (size, size, 3) uint8 each, prepared.
        folder: Where the files are going to be, for the usage text.

    Raises:
        UserError: Torch is not installed, or the model can't be converted.
    """
    labels = label_list(original)
    with needing_torch("--format torchscript"):
        from webcam_classifier.finetune import torch_programs

    content = torch_programs.torchscript_bytes(
        one_picture_graph(original.path), original.card.input_size
    )
    usage = (
        f"torch.jit.load({str(folder / SCRIPT_NAME)!r}) {what_it_takes(original)}",
        "torch calls TorchScript deprecated: take --format torch-export where you have a choice",
    )
    loaded = torch_programs.load_torchscript(content)
    contents = {SCRIPT_NAME: content, LABELS_NAME: labels}
    return _asked(original, pictures, contents, loaded, usage)


def _asked(
    original: Classifier,
    pictures: Sequence[BgrImage],
    contents: Mapping[str, bytes],
    loaded: Any,  # noqa: ANN401 of torch, which may be absent
    usage: tuple[str, ...],
) -> ForeignModel:
    """Run the program that was loaded from the written file, and add the card."""
    from webcam_classifier.finetune import torch_programs

    answers, scores = torch_programs.ask_program(loaded, track(Stage.COMPARE, pictures))
    contents = {**contents, CARD_NAME: card_for_others(original)}
    return ForeignModel(contents, answers, scores, torch_programs.version(), usage)
