"""Keep projects apart whose data sets have the same folder name, such as `dataset/`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from webcam_classifier.dataset.listing import printable
from webcam_classifier.errors import UserError
from webcam_classifier.evaluation.metrics_file import FOLDER_KEY, read_metrics
from webcam_classifier.model_card import MODEL_NAME
from webcam_classifier.runtime.session import card_of


def check_same_project(output: Path, dataset: Path) -> None:
    """Refuse to replace the model of another data set, unless the output folder was named.

    Args:
        output: The folder of the model that goes by the data set's name.
        dataset: The folder of the pictures.

    Raises:
        UserError: It holds a model that was trained on another folder.
    """
    former, present = _taught_from(output), printable(dataset.resolve())
    if former is None or former == present:
        return
    # On a disk that takes capital letters for small ones, one folder has several names.
    with suppress(OSError):
        if Path(former).samefile(dataset):
            return
    raise UserError(
        f"{output} holds a model of the pictures in {former}, and these are in "
        f"{present}: two folders of one name. Name a place for this model with --output, "
        f"such as {output}-2, or --output {output} to replace that one."
    )


def _taught_from(output: Path) -> str | None:
    model = output / MODEL_NAME
    if not model.is_file():
        return None
    metrics = read_metrics(model) or {}
    folder = metrics.get(FOLDER_KEY)
    if isinstance(folder, str):
        return folder
    try:  # written by an earlier version, which was started where this one is, as `output` says
        folder = card_of(model).dataset
    except UserError:
        return None  # damaged: nothing to lose
    return printable(Path(folder).resolve()) if folder else None
