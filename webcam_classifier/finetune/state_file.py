"""Save the state of a training after each epoch, so that it can be resumed.

It is one safetensors file, with everything but tensors as JSON in its header. The state of random
generators is not needed: random numbers depend only on the seed and the epoch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError

from webcam_classifier.errors import UserError
from webcam_classifier.finetune.history import Epoch
from webcam_classifier.storage import write_atomically

_logger = logging.getLogger(__name__)

_KEY = "webcam_classifier.training"
_PARTS = ("network", "ema", "best", "start", "optimizer")

_EARLIER_PARTS = {"average": "ema"}
_UNSAID = {"mirrored": str(True)}
"""Settings of trainings by earlier versions, which did not save them."""

_EARLIER_SETTINGS = {
    "averages": "ema",
    "starts_warm": "head_init",
    "kept_share": "interpolation_weight",
    "freezes_body": "freeze_backbone",
}
"""Names of parts and settings in files of earlier versions, with their present names."""

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class TrainingState:
    """A training after a whole epoch.

    Attributes:
        identity: What must be the same for a resumption, by name, such as `epochs`.
        history: All epochs so far.
        best_number: Which of them is the best.
        step: How many steps were taken.
        rates: The highest learning rate of each group.
        micro_batch_size: How many pictures went through the network together.
        scaler: State of the loss scaling; empty if there is none.
        network: What learns, by its names.
        ema: Its exponential moving average.
        best: What is kept of the best epoch.
        start: What the kept network is interpolated with; empty without interpolation.
        optimizer: From `optimizer_tensors`.
    """

    identity: Mapping[str, str]
    history: tuple[Epoch, ...]
    best_number: int
    step: int
    rates: tuple[float, ...]
    micro_batch_size: int
    scaler: Mapping[str, float]
    network: Tensors
    ema: Tensors
    best: Tensors
    start: Tensors
    optimizer: Tensors


def state_bytes(state: TrainingState) -> bytes:
    """Serialise a training's state as the content of a `.safetensors` file."""
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().contiguous()
        for part in _PARTS
        for name, tensor in getattr(state, part).items()
    }
    fields = {
        "identity": dict(state.identity),
        "history": [dataclasses.astuple(epoch) for epoch in state.history],
        "best_number": state.best_number,
        "step": state.step,
        "rates": state.rates,
        "micro_batch_size": state.micro_batch_size,
        "scaler": dict(state.scaler),
    }
    content: bytes = safetensors.torch.save(tensors, {_KEY: json.dumps(fields)})
    return content


def read_state(content: bytes, path: Path) -> TrainingState:
    """Read a training's state back, also one that an earlier version wrote.

    Args:
        content: From `state_bytes`.
        path: Where it was, for the message.

    Raises:
        UserError: It is damaged, or no such state.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        fields: dict[str, Any] = json.loads(
            json.loads(content[8 : 8 + length])["__metadata__"][_KEY]
        )
        parts: dict[str, Tensors] = {part: {} for part in _PARTS}
        for name, tensor in safetensors.torch.load(content).items():
            part, _, own_name = name.partition(".")
            parts[_EARLIER_PARTS.get(part, part)][own_name] = tensor
        size = fields["micro_batch_size"] if "micro_batch_size" in fields else fields["at_once"]
        return TrainingState(
            identity={
                _EARLIER_SETTINGS.get(name, name): value
                for name, value in fields["identity"].items()
            },
            history=tuple(Epoch(*epoch) for epoch in fields["history"]),
            best_number=int(fields["best_number"]),
            step=int(fields["step"]),
            rates=tuple(fields["rates"]),
            micro_batch_size=int(size),
            scaler=fields["scaler"],
            **parts,
        )
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is not a complete training state. Remove it, and start again without --resume."
        ) from error


def check_same(kept: Mapping[str, str], wanted: Mapping[str, str], path: Path) -> None:
    """Refuse to resume another training than the interrupted one.

    Args:
        kept: Identity of the training on disk.
        wanted: Identity of the one that is asked for.
        path: Where the state is.

    Raises:
        UserError: They differ; the message names the first difference.
    """
    for name in sorted({*kept, *wanted}):
        unsaid = _UNSAID.get(name)
        if kept.get(name, unsaid) != wanted.get(name, unsaid):
            raise UserError(
                f"The training in {path} can't go on: its {name.replace('_', ' ')} was "
                f"{kept.get(name, 'not set')}, and now it is {wanted.get(name, 'not set')}. Use "
                "the same value, or start again without --resume."
            )


def check_fits(kept: Tensors, wanted: Tensors, path: Path) -> None:
    """Refuse to resume with another architecture than that of the interrupted training.

    Args:
        kept: What learns, of the training on disk.
        wanted: The same of the network that is to go on; its numbers don't matter.
        path: Where the state is.

    Raises:
        UserError: Names or shapes differ, as of an earlier version of this program.
    """
    shapes = [{name: tuple(one.shape) for name, one in part.items()} for part in (kept, wanted)]
    if shapes[0] == shapes[1]:
        return
    name = min(name for name in {*kept, *wanted} if shapes[0].get(name) != shapes[1].get(name))
    there, here = (shape.get(name, "missing") for shape in shapes)
    raise UserError(
        f"The training in {path} can't go on: it is of another version of this program, whose "
        f"network is built otherwise ({name} is {there}, and here {here}). Start again without "
        "--resume."
    )


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """The state of an optimizer, by the number of the parameter and a name."""
    return {
        f"{number}.{name}": torch.as_tensor(value)
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Restore the state of an optimizer.

    Args:
        optimizer: New, of the same parameters.
        tensors: From `optimizer_tensors`.
    """
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    remembered: dict[int, Tensors] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        if tensor.shape == parameter.shape:
            # In the parameter's own layout: another one is slower, and rounds otherwise.
            tensor = torch.empty_like(parameter).copy_(tensor).detach()
        remembered.setdefault(int(number), {})[name] = tensor
    state = optimizer.state_dict()
    state["state"] = remembered
    optimizer.load_state_dict(state)


@dataclass(frozen=True)
class StateFile:
    """Where the state of a training is kept, and whether to resume from it.

    Attributes:
        path: The file; it may be missing.
        resumes: Whether to go on.
        identity: What must be the same to go on, by name.
    """

    path: Path
    resumes: bool
    identity: Mapping[str, str]

    def load(self) -> bytes | None:
        """Read the state to resume from; None starts from the beginning. Logs which.

        Raises:
            UserError: The file is damaged, or of another training.
        """
        if not self.path.is_file():
            if self.resumes:
                _logger.warning(
                    "note: there is no interrupted training in %s: starting from the beginning",
                    self.path.parent,
                )
            return None
        content = self.path.read_bytes()
        if self.resumes:
            state = read_state(content, self.path)
            check_same(state.identity, self.identity, self.path)
            number = state.history[-1].number
            _logger.info("continuing after epoch %d, from %s", number, self.path)
            return content
        with contextlib.suppress(UserError):  # then it could not have gone on
            state = read_state(content, self.path)
            check_same(state.identity, self.identity, self.path)
            _logger.warning(
                "note: an earlier training was interrupted after epoch %d, and --resume would "
                "have continued it; starting from the beginning",
                state.history[-1].number,
            )
        return None

    def save(self, state: TrainingState) -> None:
        """Write the state, whole or not at all.

        Raises:
            UserError: The folder can't be written, or the disk is full.
        """
        write_atomically(self.path, state_bytes(state))
