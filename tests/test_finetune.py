"""Fine-tuning on small and on real pictures."""

from __future__ import annotations

import math
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.finetune import (
    FinetunedNetwork,
    FinetuneSettings,
    finetune,
)
from webcam_classifier.frame import BgrImage
from webcam_classifier.network import build_network
from webcam_classifier.pictures import read_picture
from webcam_classifier.preprocess import prepare
from webcam_classifier.torch_device import choose_device
from webcam_classifier.torch_weights import load_pretrained
from webcam_classifier.weights import PretrainedWeights


@dataclass(frozen=True, eq=False)
class Pictures:
    images: list[BgrImage]
    label_indices: NDArray[np.int64]


NO_WEIGHTS = PretrainedWeights({}, "none")
NO_PICTURES = Pictures([], np.zeros(0, dtype=np.int64))


def squares_and_stripes(count: int, seed: int, size: int = 48) -> Pictures:
    """Grey noise with a bright square (label 0) or a striped one (label 1)."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 2
    images = []
    for label in labels:
        image = generator.integers(40, 90, (size, size, 3), dtype=np.uint8)
        top, left = generator.integers(4, size // 3, 2)
        image[top : top + size // 2 : 1 + 3 * label, left : left + size // 2] = 240
        images.append(image)
    return Pictures(images, labels)


def small_pretrained(backbone: str = "squeezenet1_1") -> PretrainedWeights:
    """Weights that stand for pretrained ones where what they know does not matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = build_network(backbone, 2, NO_WEIGHTS).state_dict()
    tensors = {key: value.numpy() for key, value in state.items() if value.is_floating_point()}
    head = {"squeezenet1_1": "classifier.", "resnet18": "fc."}[backbone]
    kept = {key: value for key, value in tensors.items() if not key.startswith(head)}
    return PretrainedWeights(kept, "random")


def teach(
    training: Pictures,
    validation: Pictures = NO_PICTURES,
    pretrained: PretrainedWeights | None = None,
    backbone: str = "squeezenet1_1",
    epochs: int = 1,
    batch_size: int = 8,
) -> FinetunedNetwork:
    settings = FinetuneSettings(
        backbone=backbone, input_size=48, epochs=epochs, batch_size=batch_size, device="cpu"
    )
    given = small_pretrained() if pretrained is None else pretrained
    return finetune(training, validation, ("square", "stripes"), given, settings)


def answers(result: FinetunedNetwork, images: list[BgrImage], size: int) -> NDArray[np.int64]:
    pixels = torch.from_numpy(np.stack([prepare(image, size) for image in images]))
    with torch.inference_mode():
        return np.asarray(result.network(pixels).argmax(dim=1))


def test_a_gesture_is_recognised_of_a_person_never_seen(
    shared_data: Path, shared_weights: Path
) -> None:
    labels = ("thumbs_up", "thumbs_down", "none")
    size = 112

    def person(number: int, step: int) -> Pictures:
        files = [
            (file, index)
            for index, label in enumerate(labels)
            for file in sorted((shared_data / f"thumbs/person_{number}/{label}").iterdir())[::step]
        ]
        images = [read_picture(file) for file, _ in files]
        return Pictures(images, np.array([index for _, index in files]))

    training, test = person(1, 2), person(2, 3)
    weights = load_pretrained("squeezenet1_1", str(shared_weights / "squeezenet1_1-fp32.pth"))
    settings = FinetuneSettings(input_size=size, epochs=4, device="cpu")
    result = finetune(training, NO_PICTURES, labels, weights, settings)
    accuracy = (answers(result, test.images, size) == test.label_indices).mean()
    assert accuracy >= 0.75  # a guess gives 0.33


def test_the_same_seed_gives_the_same_network() -> None:
    training = squares_and_stripes(12, 0)
    first, second = teach(training), teach(training)
    assert first.history[-1].training_loss == second.history[-1].training_loss
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_latest_of_the_best_epochs_is_kept() -> None:
    result = teach(squares_and_stripes(24, 0), squares_and_stripes(10, 1), epochs=4)
    accuracies = [epoch.validation_accuracy for epoch in result.history]
    assert [epoch.number for epoch in result.history] == [0, 1, 2, 3, 4]
    assert result.best.validation_accuracy == max(accuracies)
    assert max(accuracies) not in accuracies[result.best.number + 1 :]
    validation = squares_and_stripes(10, 1)
    right = answers(result, validation.images, 48) == validation.label_indices
    assert right.mean() == pytest.approx(result.best.validation_accuracy)


def test_without_validation_pictures_the_last_epoch_is_kept() -> None:
    result = teach(squares_and_stripes(8, 0), epochs=2)
    assert result.best.number == 2
    assert math.isnan(result.best.validation_accuracy)
    assert "no validation pictures" in result.chosen_by


@pytest.mark.parametrize("count", [2, 9, 17])
def test_a_rest_of_one_picture_does_not_crash_batch_normalisation(count: int) -> None:
    training = squares_and_stripes(count, 0)
    result = teach(training, pretrained=NO_WEIGHTS, backbone="resnet18", batch_size=8)
    assert math.isfinite(result.history[-1].training_loss)


def test_what_batch_normalisation_knows_of_pretraining_is_kept() -> None:
    pretrained = small_pretrained("resnet18")
    result = teach(squares_and_stripes(8, 0), pretrained=pretrained, backbone="resnet18")
    after = result.network.network.state_dict()
    np.testing.assert_array_equal(after["bn1.running_mean"], pretrained.tensors["bn1.running_mean"])
    assert not np.array_equal(after["conv1.weight"], pretrained.tensors["conv1.weight"])


def test_ctrl_c_keeps_the_best_so_far() -> None:
    pretrained = small_pretrained()
    timer = threading.Timer(3.0, signal.raise_signal, [signal.SIGINT])
    timer.start()
    try:
        result = teach(squares_and_stripes(16, 0), pretrained=pretrained, epochs=10_000)
    finally:
        timer.cancel()
    assert result.interrupted
    assert len(result.history) < 10_000
    assert answers(result, squares_and_stripes(4, 2).images, 48).shape == (4,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (FinetuneSettings(epochs=0), "0 epochs"),
        (FinetuneSettings(batch_size=1), "batch size of 1"),
        (FinetuneSettings(input_size=16), "16 pixels"),
        (FinetuneSettings(learning_rate=math.nan), "learning rate of nan"),
        (FinetuneSettings(device="tpu"), "no device 'tpu'"),
        (FinetuneSettings(backbone="resnet"), "no backbone 'resnet'"),
    ],
)
def test_an_impossible_setting_is_refused(settings: FinetuneSettings, message: str) -> None:
    with pytest.raises(UserError, match=message):
        finetune(squares_and_stripes(4, 0), NO_PICTURES, ("a", "b"), NO_WEIGHTS, settings)


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has that device")
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(UserError, match="'cuda' can't be used"):
        choose_device("cuda")
