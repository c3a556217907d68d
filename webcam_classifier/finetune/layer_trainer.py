"""Fine-tuning as a training mode: from a training task to an exported graph."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.evaluation.calibration import fit_temperature
from webcam_classifier.finetune.checkpoint import CheckpointCard, checkpoint_bytes
from webcam_classifier.finetune.device import choose_device
from webcam_classifier.finetune.distributed import PartIsDoneError, local_rank, rank
from webcam_classifier.finetune.network import what_is_missing
from webcam_classifier.finetune.network_export import (
    check_export,
    export_finetuned_features,
    finetuned_head,
)
from webcam_classifier.finetune.run import FinetunedNetwork
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.finetune.state_file import StateFile
from webcam_classifier.finetune.step_time import seconds_per_epoch
from webcam_classifier.finetune.torch_weights import load_pretrained
from webcam_classifier.finetune.train_layers import train_layers
from webcam_classifier.finetune.training_inputs import LeftOutExamples
from webcam_classifier.head.cross_validation import calibrated_head
from webcam_classifier.head.embedded_dataset import EmbeddedDataset
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.lda import append_head
from webcam_classifier.head.novelty import (
    UNKNOWN_THRESHOLD,
    Novelty,
    append_novelty,
    fit_novelty,
)
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.preprocess import prepare

_logger = logging.getLogger(__name__)

STATE_NAME = "training.safetensors"
"""Of the file beside the model from which an interrupted training is resumed."""

_RATE_FROM_SCRATCH = 1e-3
_CHECKED = 100  # pictures that the exported graph is compared on


@dataclass(frozen=True)
class Resumption:
    """Where the state of a training is kept until its model is written.

    Attributes:
        folder: That of the model.
        resumes: Whether to resume the existing one.
    """

    folder: Path
    resumes: bool


@dataclass(frozen=True, eq=False)
class LayerTrainer:
    """Trains layers.

    Attributes:
        pretrained: What it starts from.
        settings: How to train; backbone, input size and seed become the task's.
        resumption: Where the state of the training is kept; None doesn't keep it.
    """

    pretrained: PretrainedWeights
    settings: FinetuneSettings
    resumption: Resumption | None = None

    def seconds_per_epoch(self, task: TrainingTask) -> float:
        """Measure what one pass over a task's training pictures takes."""
        settings = _settings_of(task, self.settings)
        training = task.pictures.at(task.split.training)
        return seconds_per_epoch(training, self.pretrained, settings)

    def train(
        self, task: TrainingTask, embedded: EmbeddedDataset | None, epochs: int | None = None
    ) -> TrainingResult:
        """Fine-tune the pretrained weights; see `finetune_layers`.

        Args:
            task: What to train on.
            embedded: The embeddings of its pictures.
            epochs: Passes over the pictures; None takes those of the settings.
        """
        settings = dataclasses.replace(self.settings, epochs=epochs or self.settings.epochs)
        return finetune_layers(task, embedded, self.pretrained, settings, self.resumption)

    def train_from_scratch(self, task: TrainingTask, epochs: int) -> TrainingResult:
        """Train from random weights, in larger steps."""
        settings = dataclasses.replace(
            self.settings, epochs=epochs, head_init=False, learning_rate=_RATE_FROM_SCRATCH
        )
        nothing = PretrainedWeights({}, "none: from scratch")
        return finetune_layers(task, None, nothing, settings, self.resumption)


def prepare_finetune(
    settings: FinetuneSettings, weights: str, resumption: Resumption | None = None
) -> LayerTrainer:
    """Load the pretrained weights, choose the device, and return the trainer.

    Args:
        settings: How to train; backbone, input size and seed become the task's.
        weights: `auto`, `none` or a file; see `train.py --help`.
        resumption: Where the state of the training is kept; None doesn't keep it.

    Raises:
        UserError: The device is missing, or the weights can't be loaded.
    """
    choose_device(settings.device, local_rank())
    pretrained = load_pretrained(settings.backbone, weights)
    missing = what_is_missing(settings.backbone, pretrained)
    if missing:
        _logger.warning("note: %s", missing)
    return LayerTrainer(pretrained, settings, resumption)


def finetune_layers(
    task: TrainingTask,
    embedded: EmbeddedDataset | None,
    pretrained: PretrainedWeights,
    settings: FinetuneSettings,
    resumption: Resumption | None = None,
) -> TrainingResult:
    """Train a pretrained network with a new head, and export it.

    Args:
        task: What to train on; its validation pictures choose the best epoch and the
            temperature.
        embedded: The embeddings of its pictures, for the head to be initialised with; None fits
            one.
        pretrained: Of the task's backbone.
        settings: How to train; backbone, input size and seed become the task's.
        resumption: Where the state of the training is kept; None doesn't keep it.

    Raises:
        UserError: A setting is impossible, or the saved state is of another training.
        PartIsDoneError: Several processes train together, this one is not the first of them, and
            its part is done.
    """
    settings = _settings_of(task, settings)
    pictures = task.pictures
    state_file = None
    if resumption is not None:
        identity = _identity(task, pretrained, settings)
        state_file = StateFile(resumption.folder / STATE_NAME, resumption.resumes, identity)
    head = None
    if embedded is not None and settings.normalised_embedding:
        head = calibrated_head(embedded.of(task.split.training), len(pictures.labels))
    validation = pictures.at(task.split.validation)
    tuned = train_layers(
        pictures.at(task.split.training),
        LeftOutExamples(
            validation.images,
            validation.label_indices,
            task.split.bursts[task.split.validation],
            task.split.independent_labels(pictures.labels)[validation.label_indices],
        ),
        pictures.labels,
        pretrained,
        settings,
        state_file,
        head,
    )
    if rank() > 0:
        raise PartIsDoneError
    graph, novelty, figures = _export(task, tuned)
    card = CheckpointCard(
        task.backbone,
        pictures.labels,
        task.input_size,
        pretrained.source,
        settings.hidden_units,
        settings.dropout,
        settings.normalised_embedding,
    )
    is_whole = state_file is not None and not tuned.interrupted
    return TrainingResult(
        graph=graph,
        mode="finetune",
        weights=pretrained.source,
        details={**_details(tuned, settings), **figures},
        checkpoint=checkpoint_bytes(tuned.network, card),
        note=_note(tuned, state_file),
        unknown_threshold=UNKNOWN_THRESHOLD,
        strict_threshold=novelty.strict_threshold,
        superseded=(state_file.path,) if state_file is not None and is_whole else (),
    )


def _settings_of(task: TrainingTask, settings: FinetuneSettings) -> FinetuneSettings:
    return dataclasses.replace(
        settings,
        backbone=task.backbone,
        input_size=task.input_size,
        seed=task.seed,
        mirrored=task.mirrored,
    )


def _identity(
    task: TrainingTask, pretrained: PretrainedWeights, settings: FinetuneSettings
) -> dict[str, str]:
    """Everything that decides the result, to check that a resumed training is the same one."""
    parts = {"training": task.split.training, "validation": task.split.validation}
    texts = {
        f"{part}_pictures": task.pictures.at(places).data_hash[:12]
        for part, places in parts.items()
    }
    texts |= {name: str(value) for name, value in dataclasses.asdict(settings).items()}
    tensors = hashlib.sha256()
    for name, tensor in sorted(pretrained.tensors.items()):
        tensors.update(name.encode() + tensor.tobytes())
    texts["pretrained_weights"] = tensors.hexdigest()[:12]
    texts["device"] = choose_device(settings.device, local_rank()).type
    return texts


def _export(
    task: TrainingTask, tuned: FinetunedNetwork
) -> tuple[onnx.ModelProto, Novelty, dict[str, object]]:
    """Export a graph with head, temperature and novelty score, and measure the difference."""
    features = export_finetuned_features(tuned.network, task.input_size)
    training = _embed(task, features, task.split.training)
    validation = _embed(task, features, task.split.validation)
    logits = finetuned_head(tuned.network, 1.0).logits(validation.embeddings)
    temperature = fit_temperature(logits, validation.label_indices)
    is_validated = len(validation.label_indices) > 0
    held_out = validation if is_validated else None
    novelty = fit_novelty(training, len(task.pictures.labels), held_out)
    graph = append_head(features, finetuned_head(tuned.network, temperature))
    graph = append_novelty(graph, novelty)
    checked = task.split.validation if is_validated else task.split.training
    images = task.pictures.at(checked[:_CHECKED]).images
    pixels = np.stack([prepare(image, task.input_size) for image in images])
    difference = check_export(tuned.network, graph, pixels, temperature)
    return graph, novelty, {"temperature": temperature, "export_difference": difference}


def _embed(
    task: TrainingTask, features: onnx.ModelProto, places: NDArray[np.int64]
) -> EmbeddedViews:
    """Embed some of the pictures as they are with the trained network."""
    pictures = task.pictures.at(places)
    width = features.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    embeddings = np.zeros((0, width), dtype=np.float32)
    if len(pictures):
        prepared = (prepare(image, task.input_size) for image in pictures.images)
        embeddings = FeatureExtractor(features).embed(prepared)
    return EmbeddedViews(
        embeddings,
        pictures.label_indices,
        task.split.bursts[places],
        np.ones(len(pictures), dtype=np.bool_),
    )


def _details(tuned: FinetunedNetwork, settings: FinetuneSettings) -> dict[str, object]:
    return {
        "device": tuned.device,
        "processes": tuned.processes,
        "threads": torch.get_num_threads(),
        "batch_size": settings.batch_size,
        "pictures_at_once": tuned.micro_batch_size,
        "seconds": tuned.seconds,
        "best_epoch": tuned.best.number,
        "interpolation": None
        if tuned.interpolation is None
        else {
            name: _or_null(value) for name, value in dataclasses.asdict(tuned.interpolation).items()
        },
        "interrupted": tuned.interrupted,
        "out_of_patience": tuned.out_of_patience,
        "resumed_from": tuned.resumed_from,
        "history": [
            {
                "epoch": epoch.number,
                "training_loss": _or_null(epoch.training_loss),
                "validation_loss": _or_null(epoch.validation_loss),
                "validation_accuracy": _or_null(epoch.validation_accuracy),
                "seconds": epoch.seconds,
            }
            for epoch in tuned.history
        ],
    }


def _note(tuned: FinetunedNetwork, state_file: StateFile | None) -> str:
    last = tuned.history[-1].number
    note = f"kept epoch {tuned.best.number} of {last}, chosen by {tuned.chosen_by}"
    if tuned.interpolation is not None:
        if tuned.best.number == 0:
            note = f"trained for {last} epochs"
        note += f"; kept {tuned.interpolation.describe()}"
    if tuned.interrupted:
        note = f"stopped early by Ctrl-C; {note}"
        if state_file is not None:
            note += "; the same command with --resume continues"
    elif tuned.out_of_patience:
        note = f"stopped early, as the validation loss fell no more; {note}"
    return note


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
