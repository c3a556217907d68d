"""Files that run with torch alone: a program of torch.export, and TorchScript."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from webcam_classifier.finetune.graph_module import GraphModule
from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import BATCH_AXIS

Program = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]


def exported_program(model: onnx.ModelProto, size: int) -> torch.export.ExportedProgram:
    """Let torch.export record a graph, for any number of pictures at once.

    Args:
        model: See `GraphModule`.
        size: The side of its pictures, in pixels.

    Raises:
        UserError: The graph has operators that are not known here.
    """
    # Two pictures: with one, the batch would be taken for a constant.
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        program = torch.export.export(
            GraphModule(model).eval(),
            (example,),
            dynamic_shapes=({0: torch.export.Dim(BATCH_AXIS, min=1)},),
            strict=False,
        )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    return program


def exported_bytes(program: torch.export.ExportedProgram) -> bytes:
    """The content of a .pt2 file."""
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def torchscript_bytes(model: onnx.ModelProto, size: int) -> bytes:
    """The content of a file of TorchScript.

    Args:
        model: See `GraphModule`.
        size: The side of its pictures, in pixels.

    Raises:
        UserError: The graph has operators that are not known here.
    """
    example = torch.zeros((1, size, size, 3), dtype=torch.uint8)
    file = io.BytesIO()
    with _deprecated(), torch.no_grad():
        traced = torch.jit.trace(GraphModule(model).eval(), example)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, file)
    return _without_paths(file.getvalue())


def traced_from_planes(model: onnx.ModelProto, size: int) -> torch.jit.ScriptModule:
    """Trace a graph so that it takes what Core ML makes of an image.

    Args:
        model: See `GraphModule`.
        size: The side of its pictures, in pixels.

    Returns:
        From (1, 3, size, size) float32, blue green red from 0 to 255.

    Raises:
        UserError: The graph has operators that are not known here.
    """
    example = torch.zeros((1, 3, size, size))
    with _deprecated(), torch.no_grad():
        network = _FromPlanes(model).eval()
        traced: torch.jit.ScriptModule = torch.jit.trace(network, example)  # type: ignore[no-untyped-call]
    return traced


def of_pixels(program: Program) -> Program:
    """Let a program of `traced_from_planes` take pixels, (batch, size, size, 3) uint8."""
    return lambda pixels: program(pixels.permute(0, 3, 1, 2).float())


class _FromPlanes(nn.Module):
    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        self.network = GraphModule(model)

    def forward(self, planes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found: tuple[torch.Tensor, ...] = self.network(planes.permute(0, 2, 3, 1))
        return found


def load_exported(content: bytes) -> Program:
    """Read what `exported_bytes` gave, as another program would."""
    module: Program = torch.export.load(io.BytesIO(content)).module()
    return module


def load_torchscript(content: bytes) -> Program:
    """Read what `torchscript_bytes` gave, as another program would."""
    with _deprecated():
        module: Program = torch.jit.load(io.BytesIO(content), "cpu")  # type: ignore[no-untyped-call]
    return module


def ask_program(
    program: Program, pictures: Iterable[BgrImage]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Run a program on pictures, one by one.

    Args:
        program: From pixels to probabilities and, where it knows it, the score of the unknown.
        pictures: (size, size, 3) uint8 each.

    Returns:
        (pictures, labels) float32, and (pictures,) float32 or None.
    """
    answers, scores = [], []
    with torch.no_grad():
        for picture in pictures:
            probabilities, *unknown = program(torch.from_numpy(picture[np.newaxis]))
            answers.append(probabilities[0].numpy())
            scores += [float(score[0]) for score in unknown]
    told = np.array(scores, dtype=np.float32) if scores else None
    return np.array(answers, dtype=np.float32), told


def version() -> str:
    """What ran, in words."""
    return f"torch {torch.__version__.partition('+')[0]} on the processor"


def _without_paths(content: bytes) -> bytes:
    """Remove from TorchScript the paths of this machine, which it keeps for error messages."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(file, "w") as kept:
        for entry in whole.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                kept.writestr(zipfile.ZipInfo(entry.filename), whole.read(entry))
    return file.getvalue()


@contextmanager
def _deprecated() -> Iterator[None]:
    """Torch warns of TorchScript at each call; the documentation of this program does so once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.")
        yield
