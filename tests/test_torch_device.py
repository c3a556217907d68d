"""How each kind of device is used."""

from __future__ import annotations

from pathlib import Path

import torch

from webcam_classifier.finetune.device import DeviceTraits, choose_use, describe_device


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
