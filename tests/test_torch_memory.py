"""Memory that is out is answered with a smaller micro-batch, not with a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.finetune_pictures import NO_WEIGHTS
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.device import DeviceTraits, choose_use
from webcam_classifier.finetune.memory import (
    MicroBatch,
    explained_memory,
    fitting_micro_batch_size,
    is_out_of_memory,
    training_bytes,
)
from webcam_classifier.finetune.network import build_network
from webcam_classifier.finetune.network_layers import PixelNetwork
from webcam_classifier.finetune.process_group import ProcessGroup
from webcam_classifier.finetune.step import TrainingStep

_ROOT = Path(__file__).resolve().parents[1]
_CPU = torch.device("cpu")


class SmallMemory(nn.Module):
    """A network on a card whose memory holds a few pictures: with more it raises as a card does."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.most = most

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        output: torch.Tensor = self.linear(inputs)
        return output


def step_of(network: SmallMemory, micro_batch: MicroBatch) -> float:
    """Take one step on ten inputs, and give the loss."""
    torch.manual_seed(0)
    nn.init.normal_(network.linear.weight)
    nn.init.zeros_(network.linear.bias)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    use = choose_use(DeviceTraits("cpu", False, 2))
    step = TrainingStep(
        network,
        optimizer,
        torch.tensor([1.0, 3.0]),
        0.1,
        use,
        ProcessGroup(0, 1, _CPU),
        micro_batch,
    )
    shares = torch.softmax(torch.randn(10, 2), dim=1)
    return step.take(torch.randn(10, 3), shares, 10)


def test_a_smaller_micro_batch_gives_the_same_step(capsys: pytest.CaptureFixture[str]) -> None:
    plenty, little = SmallMemory(10), SmallMemory(3)
    micro_batch = MicroBatch(10)
    loss = step_of(little, micro_batch)
    assert loss == pytest.approx(step_of(plenty, MicroBatch(10)))
    torch.testing.assert_close(little.linear.weight, plenty.linear.weight)
    assert micro_batch.size == 2
    assert capsys.readouterr().err.splitlines() == [
        "out of memory with a micro-batch of 10: going on with 5, to the same result",
        "out of memory with a micro-batch of 5: going on with 2, to the same result",
    ]


def test_a_single_picture_that_does_not_fit_ends_with_advice() -> None:
    with pytest.raises(UserError, match="--input-size 160"):
        step_of(SmallMemory(0), MicroBatch(4))


def test_the_step_is_that_of_the_mean_loss_over_the_batch() -> None:
    network = SmallMemory(10)
    loss = step_of(network, MicroBatch(4))
    torch.manual_seed(0)
    weight = nn.init.normal_(torch.empty(2, 3)).requires_grad_()
    shares, inputs = torch.softmax(torch.randn(10, 2), dim=1), torch.randn(10, 3)
    expected = nn.functional.cross_entropy(
        inputs @ weight.T, shares, torch.tensor([1.0, 3.0]), label_smoothing=0.1
    )
    torch.autograd.backward(expected)
    assert weight.grad is not None
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(network.linear.weight, weight - 0.1 * weight.grad)


def test_other_errors_are_left_alone() -> None:
    def fail(_size: int) -> None:
        raise RuntimeError("the shapes differ")

    with pytest.raises(RuntimeError, match="the shapes differ"):
        MicroBatch(4).run(fail)
    with pytest.raises(RuntimeError, match="the shapes differ"), explained_memory():
        fail(1)


def test_a_processor_really_out_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_training_goes_on_with_less_memory_than_the_batch_needs() -> None:
    """With a real limit on the memory of a process of its own."""
    pytest.importorskip("resource", reason="this system can't limit a process's memory")
    code = (
        "import resource, torch, numpy as np\n"
        "torch.set_num_threads(1)\n"
        "from tests.finetune_pictures import *\n"
        "from webcam_classifier.finetune.train_layers import train_layers\n"
        "from webcam_classifier.finetune.settings import FinetuneSettings\n"
        "def train(pictures, batch_size):\n"
        "    settings = FinetuneSettings(\n"
        "        input_size=128, epochs=1, batch_size=batch_size, head_init=False, device='cpu'\n"
        "    )\n"
        "    given = squares_and_stripes(pictures, 0, 64), NO_PICTURES, ('a', 'b')\n"
        "    return train_layers(*given, small_pretrained(), settings)\n"
        "train(2, 2)\n"  # what is loaded once is in memory now
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "limit = used + 250 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "done = train(64, 64)\n"
        "print(done.micro_batch_size, np.isfinite(done.history[-1].training_loss))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "out of memory with a micro-batch of 64: going on with 32" in done.stderr
    micro_batch_size, is_finite = done.stdout.splitlines()[-1].split()
    assert 1 <= int(micro_batch_size) < 64
    assert is_finite == "True"


def test_the_memory_of_a_picture_grows_with_its_area() -> None:
    network = PixelNetwork(build_network("squeezenet1_1", 3, NO_WEIGHTS))
    small, large = training_bytes(network, 112), training_bytes(network, 224)
    assert 3.5 < large / small < 4.6
    assert 20e6 < large < 100e6  # the first layer's 64 x 111 x 111 floats alone are 3 MB
    network.requires_grad_(False)
    assert training_bytes(network, 224) == 0  # nothing is kept for layers that don't learn


@pytest.mark.parametrize(
    ("free", "expected"), [(None, 16), (100_000, 16), (10_000, 4), (3_000, 1), (0, 1)]
)
def test_the_micro_batch_is_as_large_as_fits(free: int | None, expected: int) -> None:
    assert (
        fitting_micro_batch_size(16, free, parameter_bytes=200, bytes_a_picture=1_000) == expected
    )
