"""Fine-tuning's step on a device: in 32 and in 16 bits, out of memory, and in two processes.

    $ python -m benchmarks.gpu_training precision --device cuda --json FILE
    $ python -m benchmarks.gpu_training memory --device cuda --json FILE
    $ torchrun --nproc-per-node 2 -m benchmarks.gpu_training processes --device cuda --json FILE

`precision` times steps of SqueezeNet with both, from one start, and compares the losses; `memory`
takes memory away until a batch no longer fits, and looks whether the step is the same in parts;
`processes` looks whether two processes on one device move the network as one does. Those two meet
through gloo, as NCCL takes one process for each GPU. Pictures are drawn, and weights are random.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import nn

from benchmarks.gpu_networks import build
from webcam_classifier.cli.console import run_script
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.device import (
    DeviceUse,
    allow_fast_products,
    choose_use,
    describe_device,
)
from webcam_classifier.finetune.memory import MicroBatch
from webcam_classifier.finetune.process_group import ProcessGroup
from webcam_classifier.finetune.step import TrainingStep

_LABELS = 3
_BATCH, _SIZE = 16, 224  # pictures, pixels; as train.py takes them
_WARM_UP = 2
_MOST_PICTURES = 65_536


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one part, and write its figures."""
    options = parse(arguments)
    device = torch.device(options.device)
    allow_fast_products(device)
    torch.backends.cudnn.benchmark = False  # two runs are compared to the last digits
    parts = {"precision": precision, "memory": memory, "processes": processes}
    found = parts[options.part](device, options.steps)
    if int(os.environ.get("RANK", "0")) == 0:
        print(", ".join(f"{name}: {value}" for name, value in found.items()))
        options.json.write_text(json.dumps(found))


def precision(device: torch.device, steps: int) -> dict[str, Any]:
    """Time steps in 32 bits and in what this device is trained in."""
    use = choose_use(describe_device(device))
    uses = {"float32": replace(use, precision=torch.float32, scales_loss=False)}
    mixed = use.precision
    if mixed == torch.float32:
        mixed = torch.bfloat16  # not what would be chosen here, but the same code
    uses[str(mixed).removeprefix("torch.")] = replace(use, precision=mixed)
    found: dict[str, Any] = {"chosen": str(use.precision).removeprefix("torch.")}
    inputs, targets = batch(_BATCH)
    for name, one in uses.items():
        step, _ = new_step(device, one, MicroBatch(_BATCH))
        losses = [step.take(inputs, targets, _BATCH) for _ in range(_WARM_UP)]
        began = time.perf_counter()
        losses += [step.take(inputs, targets, _BATCH) for _ in range(steps)]
        seconds = time.perf_counter() - began
        found[f"{name}, pictures a second"] = round(steps * _BATCH / seconds, 1)
        found[f"{name}, first and last loss"] = [round(losses[0], 4), round(losses[-1], 4)]
    return found


def memory(device: torch.device, _steps: int) -> dict[str, Any]:
    """Take steps with ever more pictures at once until the memory is out, and one more.

    Raises:
        UserError: The memory of this device can't be bounded, so it is not tried.
    """
    if device.type != "cuda":
        raise UserError(
            "The memory of a processor is everybody's, and is not used up for a measurement. Name "
            "a GPU with --device cuda."
        )
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2e9 / total), device)  # GPUs are shared
    use = replace(choose_use(describe_device(device)), precision=torch.float32, scales_loss=False)
    count = 64
    while count <= _MOST_PICTURES:
        inputs, targets = batch(count)
        micro_batch = MicroBatch(count)
        step, _ = new_step(device, use, micro_batch)
        loss = step.take(inputs, targets, count)
        if micro_batch.size < count:
            small, _ = new_step(device, use, MicroBatch(16))
            apart = abs(small.take(inputs, targets, count) - loss)
            return {"pictures": count, "went on with": micro_batch.size, "loss apart": apart}
        del step
        count *= 2
    raise UserError(f"{_MOST_PICTURES} pictures fitted into 2 GB. Give it less memory.")


def processes(device: torch.device, steps: int) -> dict[str, Any]:
    """Take the same steps alone and together with the other process, and compare the networks.

    Raises:
        UserError: `torchrun` did not start it.
    """
    if "RANK" not in os.environ:
        raise UserError("Start it with `torchrun --nproc-per-node 2 -m benchmarks.gpu_training`.")
    use = replace(choose_use(describe_device(device)), precision=torch.float32, scales_loss=False)
    inputs, targets = batch(_BATCH)
    alone, network_alone = new_step(device, use, MicroBatch(_BATCH))
    torch.distributed.init_process_group("gloo")
    try:
        count = torch.distributed.get_world_size()
        group = ProcessGroup(torch.distributed.get_rank(), count, device)
        together, network = new_step(device, use, MicroBatch(_BATCH), group)
        rows = torch.from_numpy(group.shard(_BATCH))
        began = time.perf_counter()
        for _ in range(steps):
            together.take(inputs[rows], targets[rows], _BATCH)
        seconds = time.perf_counter() - began
        for _ in range(steps):
            alone.take(inputs, targets, _BATCH)
        pairs = zip(network.parameters(), network_alone.parameters(), strict=True)
        apart = max(float((one - other).detach().abs().max()) for one, other in pairs)
    finally:
        torch.distributed.destroy_process_group()
    rate = round(steps * _BATCH / seconds, 1)
    return {"processes": count, "pictures a second": rate, "weights apart": apart}


def new_step(
    device: torch.device,
    use: DeviceUse,
    micro_batch: MicroBatch,
    group: ProcessGroup | None = None,
) -> tuple[TrainingStep, nn.Module]:
    """Return a step from the same start each time, and the network that it moves."""
    network = copy.deepcopy(build("squeezenet1_1")).to(device).train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # drawn differently for parts of a batch
    # Not Adam, which makes a whole step of a gradient that is nothing but rounding.
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    step = TrainingStep(
        network,
        optimizer,
        torch.ones(_LABELS),
        0.0,
        use,
        group or ProcessGroup(0, 1, device),
        micro_batch,
    )
    return step, network


def batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make up a batch: (count, 3, size, size), and (count, labels)."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn((count, 3, _SIZE, _SIZE), generator=generator)
    labels = torch.arange(count) % _LABELS
    inputs += labels.view(-1, 1, 1, 1) - 1.0  # something to learn
    return inputs, nn.functional.one_hot(labels, _LABELS).float()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_training", description=__doc__)
    add = parser.add_argument
    add("part", choices=("precision", "memory", "processes"))
    add("--device", default="cuda", help="of torch (default: %(default)s)")
    add("--steps", type=int, default=30, help="default: %(default)s")
    add("--json", type=Path, required=True, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_script(main)
