"""How each kind of device is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from tests.finetune_pictures import small_pretrained, squares_and_stripes
from webcam_classifier.finetune.device import DeviceTraits, choose_use, describe_device
from webcam_classifier.finetune.process_group import ProcessGroup
from webcam_classifier.finetune.settings import FinetuneSettings
from webcam_classifier.finetune.state_file import StateFile
from webcam_classifier.finetune.train_layers import train_layers

LABELS = ("square", "stripes")


def test_a_card_computes_in_bfloat16_where_it_can() -> None:
    use = choose_use(DeviceTraits("cuda", has_bfloat16=True, cores=16))
    assert (use.precision, use.scales_loss) == (torch.bfloat16, False)
    assert (use.channels_last, use.pins_memory, use.view_threads) == (True, True, 8)


def test_an_older_card_computes_in_float16_with_a_scaled_loss() -> None:
    use = choose_use(DeviceTraits("cuda", has_bfloat16=False, cores=4))
    assert (use.precision, use.scales_loss, use.view_threads) == (torch.float16, True, 3)


def test_a_processor_keeps_its_cores_for_the_network() -> None:
    use = choose_use(describe_device(torch.device("cpu")))
    assert use.channels_last
    assert (use.scales_loss, use.pins_memory) == (False, False)
    assert choose_use(DeviceTraits("cpu", False, 1)).view_threads == 1
    assert choose_use(DeviceTraits("cpu", False, 2)).view_threads == 1


def test_a_processor_computes_in_bfloat16_only_with_matrix_units_for_it() -> None:
    assert choose_use(DeviceTraits("cpu", False, 2)).precision == torch.float32
    assert choose_use(DeviceTraits("cpu", True, 2)).precision == torch.bfloat16
    if Path("/proc/cpuinfo").is_file() and hasattr(torch.cpu, "get_capabilities"):
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
        assert describe_device(torch.device("cpu")).has_bfloat16 == ("amx_bf16" in flags)


class NoFloat64(TorchFunctionMode):
    """Refuses what Apple's `mps` refuses: a float64 tensor, here on the processor in its place.

    It sees every call of torch in this thread, those that change nothing included, such as
    `tensor.to(device)`.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        given = kwargs or {}
        result = func(*args, **given)
        for value in tree_leaves((args, given, result)):
            if isinstance(value, torch.Tensor) and value.dtype == torch.float64:
                raise TypeError(f"{func} saw a float64 tensor, which mps has not")
        return result


@pytest.mark.parametrize(
    "tensor", [lambda: torch.from_numpy(np.zeros(2)).to("cpu"), lambda: torch.zeros(2).double()]
)
def test_a_float64_tensor_is_noticed(tensor: Callable[[], torch.Tensor]) -> None:
    with NoFloat64(), pytest.raises(TypeError, match="float64"):
        tensor()


@pytest.mark.parametrize(
    ("backbone", "choices"),
    [
        ("squeezenet1_1", {}),
        ("squeezenet1_1", {"optimizer": "sgd", "views": "colour", "ema": False}),
        ("resnet18", {"freeze_backbone": True, "views": "none", "hidden_units": (8,)}),
        ("squeezenet1_1", {"head_init": False, "interpolation_weight": 1.0, "patience": 1}),
    ],
    ids=["usual", "sgd", "frozen", "cold"],
)
def test_no_float64_tensor_comes_near_the_device_that_trains(
    tmp_path: Path, backbone: str, choices: Mapping[str, Any]
) -> None:
    settings = FinetuneSettings(
        backbone=backbone, input_size=48, epochs=1, batch_size=4, device="cpu", **choices
    )
    with NoFloat64():
        for resumes in (False, True):
            result = train_layers(
                squares_and_stripes(8, 0), squares_and_stripes(4, 1), LABELS,
                small_pretrained(backbone), settings,
                StateFile(tmp_path / "state.safetensors", resumes, {}),
            )  # fmt: skip
    assert result.resumed_from == 1


def test_numbers_of_one_process_need_no_device() -> None:
    group = ProcessGroup(0, 1, torch.device("meta"))  # which has no numbers to give back
    assert group.broadcast_numbers([0.1, 2.0**40 + 1.0]) == [0.1, 2.0**40 + 1.0]
    assert group.broadcast_bytes(b"state") == b"state"
    assert (group.minimum(3), group.sum(0.5)) == (3, 0.5)
