"""Teaching that chooses by itself, with real pictures, a real network and real training."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.coloured_pictures import write_coloured_pictures
from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.backbone.load import load_backbone
from webcam_classifier.cli import train
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.dataset.split import split_pictures
from webcam_classifier.finetune.layer_trainer import LayerTrainer
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.finetune.torch_weights import load_pretrained
from webcam_classifier.head.embedded_dataset import EmbeddedDataset, embed_labelled_pictures
from webcam_classifier.head.lda import append_head, fit_head
from webcam_classifier.head.training_task import TrainingResult, TrainingTask
from webcam_classifier.preprocess import prepare
from webcam_classifier.training.auto import AutoTrainer
from webcam_classifier.training.train_head import train_head

SIZE = 64
SETTINGS = FinetuneSettings(epochs=3, batch_size=8, device="cpu")


@pytest.fixture(scope="module")
def task(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingTask:
    """A few pictures of two gestures, at a size at which a head is not always right."""
    folder = tmp_path_factory.mktemp("data") / "pictures"
    for label in ("thumbs_down", "thumbs_up"):
        (folder / label).mkdir(parents=True)
        files = sorted((shared_data / "thumbs/person_1" / label).iterdir())
        for file in files[:: len(files) // 20][:20]:
            (folder / label / file.name).write_bytes(file.read_bytes())
    pictures = load_labelled_pictures(folder, SIZE)
    split = split_pictures(
        pictures.names, pictures.label_indices, pictures.labels, pictures.fingerprints
    )
    return TrainingTask(pictures, split, None, "squeezenet1_1", SIZE, 0, False, 0.0)


@pytest.fixture(scope="module")
def embedded(task: TrainingTask, squeezenet_weights: Path) -> EmbeddedDataset:
    backbone = load_backbone("squeezenet1_1", str(squeezenet_weights), SIZE)
    return embed_labelled_pictures(task.pictures, backbone)


def trainer_of(weights: Path, settings: FinetuneSettings = SETTINGS) -> LayerTrainer:
    return LayerTrainer(load_pretrained("squeezenet1_1", str(weights)), settings)


def probabilities(outcome: TrainingResult, task: TrainingTask) -> NDArray[np.float32]:
    """What a graph says of the validation pictures."""
    asked = task.pictures.at(task.split.validation)
    pixels = (prepare(image, task.input_size) for image in asked.images)
    return FeatureExtractor(outcome.graph).embed(pixels)


def right(answers: NDArray[np.float32], task: TrainingTask) -> int:
    truths = task.pictures.label_indices[task.split.validation]
    return int((answers.argmax(axis=1) == truths).sum())


def right_of_head(task: TrainingTask, embedded: EmbeddedDataset) -> int:
    """How many validation pictures a head gets right that has not seen them."""
    head = fit_head(embedded.of(task.split.training), len(task.pictures.labels))
    asked = embedded.of(task.split.validation)
    return right(head.logits(asked.only(asked.is_original).embeddings), task)


def test_without_torch_it_teaches_the_head_and_says_why(
    task: TrainingTask, embedded: EmbeddedDataset
) -> None:
    outcome = AutoTrainer(None, 10.0, 3).train(task, embedded)
    assert outcome.mode == "head"
    assert "fine-tuning needs torch, which is not installed" in outcome.note
    head = train_head(task, embedded)
    assert outcome.graph == head.graph
    assert outcome.details == head.details


def test_where_the_validation_pictures_cannot_tell_the_head_stays_whatever_the_time(
    task: TrainingTask, embedded: EmbeddedDataset, squeezenet_weights: Path
) -> None:
    outcome = AutoTrainer(lambda: trainer_of(squeezenet_weights), 3.0, 3).train(task, embedded)
    count = len(task.split.validation)
    assert outcome.mode == "head"
    assert outcome.graph == train_head(task, embedded).graph
    assert outcome.checkpoint is None
    head = f"the head {right_of_head(task, embedded)} ("
    assert f" of {count} validation pictures correct, {head}" in outcome.note
    assert "--minutes sets the time to try, not what is kept" in outcome.note
    assert "--mode finetune --interpolation-weight 1 keeps the trained network" in outcome.note


class WellInformedTrainer:
    """Trains a head that is allowed to see some of the pictures that it is asked about."""

    def __init__(self, embedded: EmbeddedDataset, seen: NDArray[np.int64]) -> None:
        self._embedded = embedded
        self._seen = seen

    def seconds_per_epoch(self, _task: TrainingTask) -> float:
        return 1.0

    def train(
        self, task: TrainingTask, _embedded: EmbeddedDataset | None, _epochs: int | None
    ) -> TrainingResult:
        views = self._embedded.of(np.union1d(task.split.training, self._seen))
        head = fit_head(views, len(task.pictures.labels), shrinkage=0.01, temperature=1.0)
        graph = append_head(self._embedded.backbone.features, head)
        return TrainingResult(graph, "finetune", "of its own", note="kept epoch 3 of 3")

    def train_from_scratch(self, _task: TrainingTask, _epochs: int) -> TrainingResult:
        raise AssertionError("nothing here is learnt from scratch")


@pytest.fixture(scope="module")
def hard_task(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingTask:
    """Digits by hand, of 24 people each, at a size at which a head is often wrong."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    for label in "0123456789":
        (folder / label).mkdir(parents=True)
        for file in sorted((shared_data / "sign_digits" / label).iterdir())[:24]:
            (folder / label / file.name).write_bytes(file.read_bytes())
    pictures = load_labelled_pictures(folder, SIZE)
    split = split_pictures(
        pictures.names, pictures.label_indices, pictures.labels, pictures.fingerprints
    )
    return TrainingTask(pictures, split, None, "squeezenet1_1", SIZE, 0, False, 0.0)


def test_what_is_better_by_more_than_chance_is_kept_and_what_is_hardly_better_is_not(
    hard_task: TrainingTask, squeezenet_weights: Path
) -> None:
    weights = str(squeezenet_weights)
    backbone = load_backbone("squeezenet1_1", weights, SIZE)
    embedded = embed_labelled_pictures(hard_task.pictures, backbone)
    asked = hard_task.split.validation

    def teach(seen: NDArray[np.int64]) -> TrainingResult:
        trainer = WellInformedTrainer(embedded, seen)
        return AutoTrainer(lambda: trainer, 3.0, 3).train(hard_task, embedded)

    far_better = teach(asked)
    assert far_better.mode == "finetune"
    assert "it is better than a head" in far_better.note
    assert "more than chance gives the best of 3 epochs; kept epoch 3 of 3" in far_better.note
    head_right = right_of_head(hard_task, embedded)
    of_trained = right(probabilities(far_better, hard_task), hard_task)
    said = f"{of_trained} of {len(asked)} validation pictures correct, the head {head_right} ("
    assert said in far_better.note
    assert of_trained >= head_right + 6  # six in a row: 3 epochs / 2 ** 6 is below a tenth

    hardly_better = teach(asked[::2])  # it knows half of the answers, of which the head had most
    assert hardly_better.mode == "head"
    assert "that fine-tuning did better may be chance" in hardly_better.note
    assert "the best of 3 epochs that are no better than a head gets such a lead" in (
        hardly_better.note
    )


def test_fine_tuning_that_left_out_bursts_speak_for_is_kept(
    hard_task: TrainingTask, squeezenet_weights: Path
) -> None:
    weights = str(squeezenet_weights)
    embedded = embed_labelled_pictures(
        hard_task.pictures, load_backbone("squeezenet1_1", weights, SIZE)
    )
    trainer = trainer_of(squeezenet_weights, dataclasses.replace(SETTINGS, batch_size=16))
    outcome = AutoTrainer(lambda: trainer, 30.0, 8).train(hard_task, embedded)
    assert outcome.mode == "finetune"
    assert outcome.checkpoint is not None
    assert "of the way from the head to the trained network" in outcome.note
    assert right(probabilities(outcome, hard_task), hard_task) > right_of_head(hard_task, embedded)


@pytest.mark.parametrize(
    "settings",
    [
        # It learns nothing from where it starts, which is random.
        dataclasses.replace(SETTINGS, head_init=False, learning_rate=1e-12),
        # It forgets all that it knew, so that what it began as is the best of it.
        dataclasses.replace(SETTINGS, learning_rate=10.0, views="none", ema=False),
    ],
    ids=["learns nothing", "forgets all"],
)
def test_training_that_does_no_better_gives_way_to_the_head(
    task: TrainingTask,
    embedded: EmbeddedDataset,
    squeezenet_weights: Path,
    settings: FinetuneSettings,
) -> None:
    trainer = trainer_of(squeezenet_weights, settings)
    outcome = AutoTrainer(lambda: trainer, 3.0, 3).train(task, embedded)
    assert outcome.mode == "head"
    assert "fine-tuning did no better" in outcome.note
    assert f"the head {right_of_head(task, embedded)}" in outcome.note
    assert outcome.checkpoint is None
    assert outcome.graph == train_head(task, embedded).graph


def test_the_last_layer_is_initialised_with_the_head_that_was_fitted_on_the_frozen_embeddings(
    task: TrainingTask, embedded: EmbeddedDataset, squeezenet_weights: Path
) -> None:
    outcome = trainer_of(squeezenet_weights).train(task, embedded, epochs=1)
    history = outcome.details["history"]
    assert isinstance(history, list)
    expected = right_of_head(task, embedded) / len(task.split.validation)
    assert history[0]["epoch"] == 0
    assert history[0]["validation_accuracy"] == pytest.approx(expected)


def test_from_scratch_nothing_pretrained_is_used(
    task: TrainingTask, squeezenet_weights: Path
) -> None:
    outcome = trainer_of(squeezenet_weights).train_from_scratch(task, 1)
    assert outcome.weights == "none: from scratch"
    assert probabilities(outcome, task).shape == (len(task.split.validation), 2)
    history = outcome.details["history"]
    assert isinstance(history, list)
    assert [epoch["epoch"] for epoch in history] == [1], "a warm start of random layers"


def test_left_to_itself_train_teaches_a_head_where_that_is_enough(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "pictures", 10)
    train.main(
        [str(tmp_path / "pictures"), "--output", str(tmp_path / "m"), "--weights",
         str(squeezenet_weights), "--input-size", "64"]
    )  # fmt: skip
    assert (
        "chosen: few training pictures (8 a label), on which frozen features are good enough"
        in capsys.readouterr().out
    )
    assert json.loads((tmp_path / "m" / "metrics.json").read_text())["mode"] == "head"


def test_with_time_train_tries_more_and_says_what_it_found(
    tmp_path: Path, squeezenet_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_coloured_pictures(tmp_path / "pictures", 10)
    train.main(
        [str(tmp_path / "pictures"), "--output", str(tmp_path / "m"), "--weights",
         str(squeezenet_weights), "--input-size", "64", "--minutes", "2", "--epochs", "2",
         "--device", "cpu"]
    )  # fmt: skip
    said = capsys.readouterr().out
    assert "4 of 4 validation pictures correct, the head 4" in said
    assert not (tmp_path / "m" / "training.safetensors").exists()
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert metrics["mode"] == "head"  # both are always right: nothing is gained by the other
    assert metrics["accuracy"] == 1.0


@pytest.mark.parametrize(
    "arguments", [["--mode", "head", "--minutes", "2"], ["--minutes", "0"], ["--minutes", "nan"]]
)
def test_minutes_that_mean_nothing_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        train.parse(arguments)
    assert "minutes" in capsys.readouterr().err
