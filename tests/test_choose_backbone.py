"""The choice of a network: by what it gets right of left-out bursts, and by its time here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.some_pictures import copy_some
from webcam_classifier.backbone.efficientnet_lite import LITE_0
from webcam_classifier.backbone.efficientnet_lite_weights import efficientnet_lite_weights
from webcam_classifier.cli import train
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.errors import UserError
from webcam_classifier.training.choose_backbone import MeasuredBackbone, choose, choose_backbone


def measured(name: str, milliseconds: float, right: int, of: int = 100) -> MeasuredBackbone:
    """One that gets the first so many of single pictures right."""
    return MeasuredBackbone(
        name, 224, f"{name}.bin", milliseconds, np.arange(of) < right, np.arange(of)
    )


def test_the_best_within_the_time_is_taken() -> None:
    choice = choose([measured("slow", 9.0, 95), measured("fast", 2.0, 80)], latency=10.0)
    assert choice.chosen.name == "slow"
    assert [one.name for one in choice.measured] == ["fast", "slow"]
    assert "95.0 % (95 of 100)      chosen" in choice.describe()


def test_a_lead_that_may_be_chance_is_not_worth_its_time() -> None:
    choice = choose([measured("fast", 2.0, 90), measured("slow", 9.0, 92)], latency=10.0)
    assert choice.chosen.name == "fast"
    assert "slow gets 2 more correct, which may be chance" in choice.describe()


def test_pictures_of_one_burst_are_one_witness() -> None:
    one_burst = np.zeros(100, dtype=np.int64)
    fast = MeasuredBackbone("fast", 224, "", 2.0, np.arange(100) < 50, one_burst)
    slow = MeasuredBackbone("slow", 224, "", 9.0, np.ones(100, dtype=np.bool_), one_burst)
    assert choose([fast, slow], latency=10.0).chosen is fast


def test_what_more_time_would_bring_is_said() -> None:
    choice = choose([measured("fast", 2.0, 80), measured("slow", 9.5, 95)], latency=5.0)
    assert choice.chosen.name == "fast"
    text = choice.describe()
    assert "slow would get 15 more of 100 correct: --latency 10 allows it" in text
    assert "over --latency" in text


def test_a_slower_one_that_is_no_better_is_not_on_the_frontier() -> None:
    text = choose([measured("fast", 2.0, 80), measured("slow", 3.0, 79)], latency=5.0).describe()
    assert "a faster one is as accurate" in text.splitlines()[2]


def test_columns_stand_below_each_other_whatever_the_names() -> None:
    long = "a_network_with_a_long_name+another"
    choice = choose([measured(long, 2.0, 80), measured("short", 3.0, 95)], latency=5.0)
    header, first, second, *_ = choice.describe().splitlines()
    assert header.index("accuracy") == first.index("80.0 %") == second.index("95.0 %")


def test_where_none_is_fast_enough_the_fastest_is_taken() -> None:
    choice = choose([measured("slow", 9.0, 95), measured("fast", 2.0, 80)], latency=1.0)
    assert choice.chosen.name == "fast"
    assert "no network takes 1.0 ms or less" in choice.describe()


def test_nothing_to_leave_out_takes_the_fastest() -> None:
    choice = choose([measured("slow", 9.0, 0, 0), measured("fast", 2.0, 0, 0)], latency=10.0)
    assert choice.chosen.name == "fast"
    assert "too few pictures" in choice.describe()


@pytest.fixture(scope="module")
def few_masks(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five faces with a mask, and five without."""
    folder = tmp_path_factory.mktemp("masks") / "masks"
    copy_some(shared_data / "masks", folder, step=40)
    return folder


def test_the_command_compares_networks_and_trains_with_the_one_it_takes(
    few_masks: Path,
    squeezenet_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert squeezenet_weights.is_file()
    try:
        efficientnet_lite_weights(LITE_0)
    except UserError as error:
        pytest.skip(str(error))
    output = tmp_path / "model"
    command = [str(few_masks), "--mode", "head", "--latency", "1e5"]
    command += ["--backbone", "squeezenet1_1,efficientnet_lite0"]
    train.main([*command, "--output", str(output)])
    printed = capsys.readouterr().out
    taken = json.loads((output / "metrics.json").read_text())["backbone"]
    assert f"chosen: {taken}: " in printed
    assert "squeezenet1_1           224" in printed
    assert "efficientnet_lite0      224" in printed
    assert "squeezenet1_1+efficientnet_lite0" not in printed


def test_a_network_that_cannot_be_had_is_named_and_left_out(
    few_masks: Path, squeezenet_weights: Path
) -> None:
    assert squeezenet_weights.is_file()
    choice = choose_backbone(Dataset(few_masks), ["squeezenet1_1", "no_such_network"], latency=1e5)
    assert choice.chosen.name == "squeezenet1_1"
    assert choice.chosen.accuracy > 0.7
    assert "no_such_network was not tried: " in choice.describe()
    with pytest.raises(UserError, match="no_such_network was not tried"):
        choose_backbone(Dataset(few_masks), ["no_such_network"], latency=1e5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--latency", "5"], "belongs to --backbone auto"),
        (["--backbone", "auto", "--mode", "finetune"], "name the network"),
        (["--backbone", "auto", "--weights", "file.pth"], "name the network"),
        (["--backbone", "squeezenet1_1,alexnet", "--mode", "finetune"], "name the network"),
        (["--backbone", "squeezenet1_1,"], "empty name between its commas"),
        (["--backbone", "efficientnet_lite0", "--mode", "finetune"], "take --mode head"),
        (["--backbone", "efficientnet_lite1", "--minutes", "3"], "take --mode head"),
        (["--backbone", "auto", "--latency", "0"], "not a time"),
        (["--minutes", "soon"], "'soon' is not a time"),
        (["--epochs", "0"], "'0' is not a whole number from 1 up"),
        (["--input-size", "large"], "large is not between 64 and 1024 pixels"),
    ],
)
def test_what_makes_no_sense_together_is_refused(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        train.parse(["pictures", *given])
    assert said in capsys.readouterr().err


def test_each_network_sees_pictures_of_the_size_it_was_trained_on() -> None:
    assert train.parse(["pictures", "--backbone", "efficientnet_lite1"]).input_size == 240
    assert train.parse(["pictures"]).input_size == 224
    assert train.parse(["pictures", "--input-size", "96"]).input_size == 96
