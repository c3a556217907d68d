"""Fine-tuning on small and on real pictures."""

from __future__ import annotations

import dataclasses
import math
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.finetune_pictures import (
    NO_PICTURES,
    NO_WEIGHTS,
    Pictures,
    small_pretrained,
    squares_and_stripes,
    with_header_names,
)
from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.device import choose_device
from webcam_classifier.finetune.history import (
    Epoch,
    is_as_good_as_the_best,
    is_out_of_patience,
)
from webcam_classifier.finetune.interpolation import InterpolationChoice
from webcam_classifier.finetune.run import FinetunedNetwork
from webcam_classifier.finetune.settings import FinetuneSettings, ViewKind
from webcam_classifier.finetune.state_file import StateFile, read_state, state_bytes
from webcam_classifier.finetune.torch_weights import load_pretrained
from webcam_classifier.finetune.train_layers import train_layers
from webcam_classifier.finetune.training_inputs import LeftOutExamples
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare
from webcam_classifier.progress import Epoch as EpochEvent
from webcam_classifier.progress import Event, listening

LABELS = ("square", "stripes")


def train(
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
    return train_layers(training, validation, LABELS, given, settings)


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
    result = train_layers(training, NO_PICTURES, labels, weights, settings)
    accuracy = (answers(result, test.images, size) == test.label_indices).mean()
    assert accuracy >= 0.75  # a guess gives 0.33


def test_the_same_seed_gives_the_same_network() -> None:
    training = squares_and_stripes(12, 0)
    first, second = train(training), train(training)
    assert first.history[-1].training_loss == second.history[-1].training_loss
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_latest_of_the_best_epochs_is_kept() -> None:
    settings = FinetuneSettings(
        input_size=48, epochs=4, batch_size=8, interpolation_weight=0.5, device="cpu"
    )
    asked = squares_and_stripes(10, 1)
    result = train_layers(squares_and_stripes(24, 0), asked, LABELS, small_pretrained(), settings)
    accuracies = [epoch.validation_accuracy for epoch in result.history]
    assert [epoch.number for epoch in result.history] == [0, 1, 2, 3, 4]
    assert result.best.validation_accuracy == max(accuracies)
    assert max(accuracies) not in accuracies[result.best.number + 1 :]
    validation = squares_and_stripes(10, 1)
    right = answers(result, validation.images, 48) == validation.label_indices
    assert right.mean() == pytest.approx(result.best.validation_accuracy)


def test_how_far_to_go_is_chosen_on_left_out_pictures_and_is_what_is_kept() -> None:
    # Pretrained for nothing: the head on these layers is little better than a guess.
    asked = squares_and_stripes(16, 1)
    training = squares_and_stripes(24, 0)
    settings = FinetuneSettings(
        input_size=48, epochs=3, batch_size=8, learning_rate=1e-3, device="cpu"
    )
    result = train_layers(training, asked, LABELS, small_pretrained(), settings)
    choice = result.interpolation
    assert choice is not None
    right = (answers(result, asked.images, 48) == asked.label_indices).sum()
    assert right == choice.right >= choice.start_right
    assert (result.best.number == 0) == (choice.weight == 0.0)


def test_the_end_of_a_burst_does_not_choose_for_its_beginning() -> None:
    asked, training = squares_and_stripes(16, 1), squares_and_stripes(24, 0)
    settings = FinetuneSettings(
        input_size=48, epochs=3, batch_size=8, learning_rate=1e-3, device="cpu"
    )

    def choose(is_independent: NDArray[np.bool_]) -> InterpolationChoice:
        left_out = LeftOutExamples(asked.images, asked.label_indices, np.arange(16), is_independent)
        result = train_layers(training, left_out, LABELS, small_pretrained(), settings)
        assert result.interpolation is not None
        return result.interpolation

    whole = choose(np.ones(16, dtype=np.bool_))
    assert whole.weight > 0.0
    assert whole.count == 16
    cut = choose(np.zeros(16, dtype=np.bool_))
    assert cut.weight == 0.0
    assert "too few recordings were left out" in cut.describe()
    assert choose(np.arange(16) < 10).count == 10


def test_after_ctrl_c_the_same_way_is_gone(tmp_path: Path) -> None:
    training, asked = squares_and_stripes(16, 0), squares_and_stripes(8, 1)
    settings = FinetuneSettings(input_size=48, epochs=4, batch_size=4, device="cpu")
    path = tmp_path / "training.safetensors"

    def train(state_file: StateFile | None) -> FinetunedNetwork:
        return train_layers(training, asked, LABELS, small_pretrained(), settings, state_file)

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochEvent) and event.number == 2:
            signal.raise_signal(signal.SIGINT)

    whole = train(None)
    with listening(interrupt):
        assert train(StateFile(path, False, {})).interrupted
    resumed = train(StateFile(path, True, {}))
    assert resumed.resumed_from == 2
    assert resumed.interpolation is not None
    assert repr(resumed.interpolation) == repr(whole.interpolation)  # NaN is not equal to itself
    one, other = (result.network.state_dict() for result in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_single_pictures_do_not_take_an_epoch_back() -> None:
    def history(*accuracies: float) -> list[Epoch]:
        return [Epoch(number, 0.0, 0.5, found, 0.0) for number, found in enumerate(accuracies)]

    assert is_as_good_as_the_best(history(1.0, 0.90, 0.89), 100)  # the start is not asked
    assert not is_as_good_as_the_best(history(0.5, 0.90, 0.80), 100)
    assert is_as_good_as_the_best(history(0.5, 0.90, 0.80), 10)
    assert is_as_good_as_the_best(history(0.5, 1.0, 0.99), 100)
    assert not is_as_good_as_the_best(history(0.5, 0.92, 0.90, 0.88, 0.86), 100), "it drifts"
    assert is_as_good_as_the_best(history(math.nan, math.nan), 0)


def test_without_validation_pictures_the_last_epoch_is_kept_halfway() -> None:
    result = train(squares_and_stripes(8, 0), epochs=2)
    assert result.best.number == 2
    assert result.interpolation is None
    assert math.isnan(result.best.validation_accuracy)
    assert "no validation pictures" in result.chosen_by


def test_what_is_kept_is_interpolated_between_the_start_and_the_trained_network() -> None:
    pretrained = small_pretrained()
    settings = FinetuneSettings(input_size=48, epochs=2, batch_size=8, device="cpu")
    half, whole = (
        train_layers(
            squares_and_stripes(16, 0), NO_PICTURES, LABELS, pretrained,
            dataclasses.replace(settings, interpolation_weight=share),
        ).network.network.state_dict()
        for share in (0.5, 1.0)
    )  # fmt: skip
    assert any(not np.array_equal(whole[name], start) for name, start in pretrained.tensors.items())
    for name, start in pretrained.tensors.items():
        middle = (torch.from_numpy(start) + whole[name]) / 2
        torch.testing.assert_close(half[name], middle, msg=name)


@pytest.mark.parametrize("count", [2, 9, 17])
def test_a_rest_of_one_picture_does_not_crash_batch_normalisation(count: int) -> None:
    training = squares_and_stripes(count, 0)
    result = train(training, pretrained=NO_WEIGHTS, backbone="resnet18", batch_size=8)
    assert math.isfinite(result.history[-1].training_loss)


def test_what_batch_normalisation_knows_of_pretraining_is_kept() -> None:
    pretrained = small_pretrained("resnet18")
    result = train(squares_and_stripes(8, 0), pretrained=pretrained, backbone="resnet18")
    after = result.network.network.state_dict()
    np.testing.assert_array_equal(after["bn1.running_mean"], pretrained.tensors["bn1.running_mean"])
    assert not np.array_equal(after["conv1.weight"], pretrained.tensors["conv1.weight"])


def test_ctrl_c_keeps_the_best_so_far() -> None:
    pretrained = small_pretrained()

    def interrupt_after_an_epoch(event: Event) -> None:
        if isinstance(event, EpochEvent) and event.number == 1:
            signal.raise_signal(signal.SIGINT)

    with listening(interrupt_after_an_epoch):
        result = train(squares_and_stripes(16, 0), pretrained=pretrained, epochs=10_000)
    assert result.interrupted
    assert [epoch.number for epoch in result.history] == [0, 1]
    assert answers(result, squares_and_stripes(4, 2).images, 48).shape == (4,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (FinetuneSettings(epochs=0), "0 epochs"),
        (FinetuneSettings(batch_size=1), "batch size of 1"),
        (FinetuneSettings(input_size=16), "16 pixels"),
        (FinetuneSettings(learning_rate=math.nan), "learning rate of nan"),
        (FinetuneSettings(label_smoothing=1.0), "smoothing of 1.0"),
        (FinetuneSettings(interpolation_weight=0.0), "interpolation weight of 0.0"),
        (FinetuneSettings(dropout=1.0), "dropout of 1.0"),
        (FinetuneSettings(hidden_units=(64, 0)), "Hidden units of"),
        (FinetuneSettings(patience=0), "patience of 0"),
        (FinetuneSettings(device="tpu"), "no device 'tpu'"),
        (FinetuneSettings(backbone="resnet"), "no backbone 'resnet'"),
    ],
)
def test_an_impossible_setting_is_refused(settings: FinetuneSettings, message: str) -> None:
    with pytest.raises(UserError, match=message):
        train_layers(squares_and_stripes(4, 0), NO_PICTURES, ("a", "b"), NO_WEIGHTS, settings)


@pytest.mark.parametrize("views", ["none", "colour"])
def test_a_frozen_body_stays_and_a_classifier_of_several_layers_learns(views: ViewKind) -> None:
    pretrained = small_pretrained("resnet18")
    settings = FinetuneSettings(
        backbone="resnet18", input_size=48, epochs=3, batch_size=4, optimizer="sgd",
        learning_rate=0.05, schedule="constant", views=views, ema=False, head_init=False,
        label_smoothing=0.0, freeze_backbone=True, hidden_units=(16, 8), dropout=0.3, device="cpu",
    )  # fmt: skip
    training = squares_and_stripes(12, 0)
    result = train_layers(training, squares_and_stripes(6, 1), LABELS, pretrained, settings)
    state = result.network.network.state_dict()
    for name, before in pretrained.tensors.items():
        np.testing.assert_array_equal(state[name], before, err_msg=name)
    assert {name: tuple(value.shape) for name, value in state.items() if "fc." in name} == {
        "fc.0.weight": (16, 512), "fc.0.bias": (16,), "fc.3.weight": (8, 16), "fc.3.bias": (8,),
        "fc.6.weight": (2, 8), "fc.6.bias": (2,),
    }  # fmt: skip
    assert [epoch.number for epoch in result.history] == [1, 2, 3]
    losses = [epoch.training_loss for epoch in result.history]
    assert len(set(losses)) == 3, "nothing was learnt"


def test_what_frozen_layers_give_is_what_the_whole_network_gives() -> None:
    # The classifier alone learns on what was computed once; the whole network gives the answers.
    settings = FinetuneSettings(
        input_size=48, epochs=2, batch_size=4, views="none", freeze_backbone=True, device="cpu"
    )
    asked = squares_and_stripes(8, 1)
    result = train_layers(squares_and_stripes(12, 0), asked, LABELS, small_pretrained(), settings)
    right = answers(result, asked.images, 48) == asked.label_indices
    assert right.mean() == pytest.approx(result.best.validation_accuracy)


def test_patience_runs_out_when_the_validation_loss_falls_no_more() -> None:
    def history(*losses: float) -> list[Epoch]:
        return [Epoch(number, 0.0, loss, 0.5, 0.0) for number, loss in enumerate(losses)]

    assert not is_out_of_patience(history(3.0, 2.0, 2.5), 2)
    assert is_out_of_patience(history(3.0, 2.0, 2.5, 2.0), 2)
    assert not is_out_of_patience(history(3.0, 2.0, 2.5, 1.9), 2)
    assert not is_out_of_patience(history(3.0, 2.0, 2.5, 2.6), None)
    assert not is_out_of_patience(history(math.nan, math.nan, math.nan), 1)
    assert not is_out_of_patience([], 1)


def test_it_stops_early_and_keeps_the_best() -> None:
    settings = FinetuneSettings(
        input_size=48, epochs=60, batch_size=8, learning_rate=1e-12, patience=2, device="cpu"
    )
    training, asked = squares_and_stripes(12, 0), squares_and_stripes(4, 1)
    result = train_layers(training, asked, LABELS, small_pretrained(), settings)
    assert result.out_of_patience
    assert not result.interrupted
    losses = [epoch.validation_loss for epoch in result.history]
    assert len(losses) - 1 - losses.index(min(losses)) == 2
    assert result.best.validation_accuracy == max(e.validation_accuracy for e in result.history)


def test_after_ctrl_c_it_goes_on_to_the_same_result(tmp_path: Path) -> None:
    # Dropout, momentum, a moving mean and statistics of batches have to be remembered.
    training, asked = squares_and_stripes(16, 0), squares_and_stripes(4, 1)
    settings = FinetuneSettings(
        backbone="mobilenet_v3_small", input_size=48, epochs=6, batch_size=4, device="cpu",
        optimizer="sgd", learning_rate=0.01,
    )  # fmt: skip

    def train(state_file: StateFile | None) -> FinetunedNetwork:
        return train_layers(training, asked, LABELS, NO_WEIGHTS, settings, state_file)

    whole = train(None)
    path = tmp_path / "training.safetensors"

    def interrupt_once_something_is_kept(event: Event) -> None:
        # Told within the training, whose Ctrl-C it then is, however slow the machine is.
        if isinstance(event, EpochEvent) and event.number < settings.epochs and path.exists():
            signal.raise_signal(signal.SIGINT)

    with listening(interrupt_once_something_is_kept):
        cut = train(StateFile(path, False, {"epochs": "6"}))
    assert cut.interrupted
    assert cut.history[-1].number < settings.epochs
    resumed = train(StateFile(path, True, {"epochs": "6"}))
    assert resumed.resumed_from == cut.history[-1].number
    assert [epoch.training_loss for epoch in resumed.history] == [
        epoch.training_loss for epoch in whole.history
    ]
    assert resumed.best.number == whole.best.number
    ends = (result.network.state_dict() for result in (whole, resumed))
    one, other = ends
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_training_or_a_damaged_state_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    training = squares_and_stripes(8, 0)
    settings = FinetuneSettings(input_size=48, batch_size=4, epochs=1, device="cpu")

    def train(epochs: str) -> None:
        state_file = StateFile(path, True, {"epochs": epochs})
        train_layers(training, NO_PICTURES, LABELS, small_pretrained(), settings, state_file)

    train("1")
    with pytest.raises(UserError, match=r"its epochs was 1, and now it is 2"):
        train("2")
    state = read_state(path.read_bytes(), path)
    (head,) = (name for name, one in state.network.items() if one.shape == (len(LABELS), 768))
    former = {**state.network, head: state.network[head][:, :512]}
    path.write_bytes(state_bytes(dataclasses.replace(state, network=former)))
    with pytest.raises(UserError, match=r"another version.*\(2, 512\), and here \(2, 768\)"):
        train("1")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="not a complete training state"):
        train("1")


def test_a_training_kept_by_an_earlier_version_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    settings = FinetuneSettings(input_size=48, batch_size=4, epochs=2, device="cpu")
    identity = {name: str(value) for name, value in dataclasses.asdict(settings).items()}
    given = squares_and_stripes(8, 0), NO_PICTURES, LABELS, small_pretrained(), settings
    whole = train_layers(*given, StateFile(path, False, identity))
    earlier = {
        '"ema.': '"average.',
        '\\"ema\\"': '\\"averages\\"',
        "head_init": "starts_warm",
        "interpolation_weight": "kept_share",
        "freeze_backbone": "freezes_body",
        "micro_batch_size": "at_once",
    }
    path.write_bytes(with_header_names(path.read_bytes(), earlier))
    resumed = train_layers(*given, StateFile(path, True, identity))
    assert resumed.resumed_from == 2
    state, expected = resumed.network.state_dict(), whole.network.state_dict()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has that device")
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(UserError, match="'cuda' can't be used"):
        choose_device("cuda")
