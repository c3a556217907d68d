"""How long fine-tuning is going to take."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.coloured_pictures import write_coloured_pictures
from tests.finetune_pictures import NO_PICTURES, small_pretrained
from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.finetune.step_time import seconds_per_epoch
from webcam_classifier.finetune.train_layers import train_layers

SETTINGS = FinetuneSettings(input_size=64, batch_size=8, epochs=1, device="cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> LabelledPictures:
    folder = tmp_path_factory.mktemp("data") / "pictures"
    write_coloured_pictures(folder, 64)
    return load_labelled_pictures(folder, 64)


def fewer(pictures: LabelledPictures, step: int) -> LabelledPictures:
    return pictures.at(torch.arange(0, len(pictures), step).numpy())


def comes_between(ratio: Callable[[], float], low: float, high: float) -> bool:
    """Whether a ratio of times is in this range, of several tries: a busy machine spoils some."""
    return any(low < ratio() < high for _ in range(8))


def test_four_times_as_many_pictures_take_about_four_times_as_long(
    pictures: LabelledPictures,
) -> None:
    pretrained = small_pretrained()

    def ratio() -> float:
        few = seconds_per_epoch(fewer(pictures, 4), pretrained, SETTINGS)
        assert few > 0.0
        return seconds_per_epoch(pictures, pretrained, SETTINGS) / few

    assert comes_between(ratio, 1.6, 10.0)


def test_it_is_about_what_an_epoch_then_takes(pictures: LabelledPictures) -> None:
    pretrained = small_pretrained()

    def ratio() -> float:
        said = seconds_per_epoch(pictures, pretrained, SETTINGS)
        result = train_layers(pictures, NO_PICTURES, pictures.labels, pretrained, SETTINGS)
        return (result.history[1].seconds - result.history[0].seconds) / said

    assert comes_between(ratio, 0.25, 4.0)


@pytest.mark.parametrize("backbone", ["squeezenet1_1", "resnet18"])
def test_so_few_pictures_as_make_no_batch_are_timed_and_nothing_random_moves(
    pictures: LabelledPictures, backbone: str
) -> None:
    settings = FinetuneSettings(backbone=backbone, input_size=64, batch_size=16, device="cpu")
    before = torch.get_rng_state()
    some = fewer(pictures, 64)
    assert len(some) == 2
    assert seconds_per_epoch(some, small_pretrained(backbone), settings) > 0.0
    assert torch.equal(torch.get_rng_state(), before)


def test_timing_leaves_the_pretrained_weights_as_they_are(pictures: LabelledPictures) -> None:
    pretrained = small_pretrained()
    before = {name: tensor.copy() for name, tensor in pretrained.tensors.items()}
    seconds_per_epoch(fewer(pictures, 8), pretrained, SETTINGS)
    assert all((before[name] == tensor).all() for name, tensor in pretrained.tensors.items())
