"""Save the model that was trained live: model, metrics and report."""

from __future__ import annotations

from pathlib import Path

from webcam_classifier.backbone.load import Backbone
from webcam_classifier.command_names import typed
from webcam_classifier.crop import Crop
from webcam_classifier.dataset.facts import split_data_set
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.labelled_pictures import pictures_of
from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.learner import Calibration, Learner
from webcam_classifier.head.training_task import TrainingTask
from webcam_classifier.progress import Result
from webcam_classifier.report.render_process import render_in_process
from webcam_classifier.training.evaluate_and_save import evaluate_and_save, training_result
from webcam_classifier.training.former_model import FormerModel
from webcam_classifier.training.train_head import head_result


def save_live_model(
    dataset: Dataset,
    backbone: Backbone,
    calibration: Calibration,
    crop: Crop | None,
    output: Path,
    started: float,
    former: FormerModel,
) -> Result:
    """Save the model of a calibration's pictures, as `train.py --mode head` does.

    The report is drawn in another process, because drawing would delay the live picture.

    Args:
        dataset: Where the pictures are.
        backbone: The frozen network.
        calibration: Of the pictures.
        crop: The part of each that it is about; None is all of it.
        output: The folder for model, metrics and report.
        started: When the work began, seconds on the monotonic clock.
        former: The model that the folder held then.

    Raises:
        UserError: The folder can't be written.
    """
    pictures = pictures_of(
        dataset, calibration.pictures, calibration.labels, backbone.input_size, crop=crop
    )
    split, facts = split_data_set(pictures)
    task = TrainingTask(
        pictures=pictures,
        split=split,
        test_pictures=None,
        backbone=backbone.name,
        input_size=backbone.input_size,
        seed=0,
        measured_only=False,
        started=started,
        command=f"python train.py {typed(dataset.folder)} --mode head",
        facts=facts,
    )
    learner = Learner(backbone)
    learner.restore(calibration)
    views = calibration.views
    embedded = EmbeddedDataset(
        backbone, calibration.pictures, views, len(views.bursts) // len(pictures), None
    )
    result = head_result(learner, backbone, is_cross_validated=True)
    findings = evaluate_and_save(task, result, embedded, output, render_in_process, former=former)
    return training_result(findings, output)
