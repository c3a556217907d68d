"""Quantise to 8-bit integers: a quarter of the size, and faster on CPUs with instructions for it.

Ranges of activations are measured on training pictures (static quantisation), and each output
channel of a layer has its own scale. The last layers stay float. If too many answers differ from
the original's, more and more of the layers that lose most are left float.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from webcam_classifier.errors import UserError
from webcam_classifier.export.agreement import FEWEST_EQUAL, Probabilities, ask, equal_share
from webcam_classifier.export.check_pictures import CheckPictures
from webcam_classifier.export.converted import Converted
from webcam_classifier.export.graph_parts import last_layers
from webcam_classifier.export.layer_losses import layers_by_loss
from webcam_classifier.export.shared_concat_scales import share_concat_scales
from webcam_classifier.export.uint8_input import take_uint8_input
from webcam_classifier.frame import BgrImage
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.model.writer import write_model
from webcam_classifier.model_card import INPUT_NAME
from webcam_classifier.percentage import percentage
from webcam_classifier.progress import Stage, track
from webcam_classifier.temporary_files import temporary_folder

_logger = logging.getLogger(__name__)

_KINDS = ("Conv", "Gemm", "Relu", "Clip", "MaxPool", "Concat", "Add", "Flatten")
_FEWEST_FOR_CALIBRATION = 10
_LEFT_FLOAT = (0, 1, 2, 4, 8)  # how many layers, in successive attempts


@dataclass(frozen=True, eq=False)
class _Attempt:
    graph: onnx.ModelProto
    left_float: tuple[str, ...]
    equal: float


def to_int8(
    original: Classifier, pictures: CheckPictures, original_answers: Probabilities
) -> Converted:
    """Quantise a network's body.

    Args:
        original: The model.
        pictures: To calibrate with and to compare on.
        original_answers: Its probabilities for the compared pictures, (pictures, labels) float32.

    Returns:
        The attempt with the most equal answers; the caller decides whether they are enough.

    Raises:
        UserError: There are too few pictures to calibrate with.
    """
    count = len(pictures.calibration)
    if count < _FEWEST_FOR_CALIBRATION:
        raise UserError(
            f"{count} training pictures are too few to measure the ranges of int8 with; "
            f"{_FEWEST_FOR_CALIBRATION} is least. Name a folder of pictures with --pictures FOLDER."
        )
    narrow = not has_integer_dot_products()
    with temporary_folder() as folder:
        prepared = _prepared(original.path, folder)
        attempt = best = _try(original, prepared, pictures, original_answers, narrow, ())
        ranked: list[str] = []
        for left in _LEFT_FLOAT[1:]:
            if best.equal >= FEWEST_EQUAL:
                break
            ranked = ranked or layers_by_loss(prepared, best.graph, pictures.calibration)
            excluded = tuple(ranked[:left])
            _logger.info(
                "%s of the answers are equal: trying with %d in float",
                percentage(attempt.equal),
                left,
            )
            attempt = _try(original, prepared, pictures, original_answers, narrow, excluded)
            best = max(best, attempt, key=lambda candidate: candidate.equal)
    return Converted(best.graph, _done(count, narrow, best.left_float))


def has_integer_dot_products() -> bool:
    """Whether this CPU multiplies unsigned by signed 8-bit integers without overflow.

    x86 CPUs without VNNI add pairs of products in 16 bits, which can overflow with 8-bit weights,
    but not with 7-bit ones. An x86 CPU whose features are unknown is taken for one of them.
    """
    if platform.machine().lower() not in {"x86_64", "amd64", "i686", "i386"}:
        return True
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(flags)


def _done(count: int, narrow: bool, left_float: tuple[str, ...]) -> str:
    bits = "7-bit weights (for x86 without VNNI)" if narrow else "8-bit weights"
    kept = f"; left float: {', '.join(left_float)}" if left_float else ""
    return (
        f"int8: static quantisation by onnxruntime, {bits}, unsigned 8-bit activations, "
        f"calibrated on {count} training pictures{kept}"
    )


def _prepared(source: Path, folder: Path) -> onnx.ModelProto:
    """Fold constants and infer shapes, as the quantiser needs it, and name every node."""
    path = folder / "prepared.onnx"
    # Symbolic shape inference is meant for transformers, and needs another package.
    quant_pre_process(str(source), str(path), skip_symbolic_shape=True)
    model = onnx.load(path)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return model


class _Pictures(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    """Passes the quantiser one picture after the other."""

    def __init__(self, pictures: tuple[BgrImage, ...]) -> None:
        self._remaining: Iterator[BgrImage] = track(Stage.CALIBRATE, pictures)

    def get_next(self) -> dict[str, BgrImage] | None:
        """Return the next picture as the graph's input, or None at the end."""
        picture = next(self._remaining, None)
        return None if picture is None else {INPUT_NAME: picture[None]}


def _try(
    original: Classifier,
    prepared: onnx.ModelProto,
    pictures: CheckPictures,
    original_answers: Probabilities,
    narrow: bool,
    left_float: tuple[str, ...],
) -> _Attempt:
    graph = _quantise(prepared, pictures.calibration, narrow, left_float)
    with temporary_folder() as folder:
        path = folder / "attempt.onnx"
        write_model(graph, original.card, path)
        answers = ask(Classifier(path), pictures.compared)
    return _Attempt(graph, left_float, equal_share(original_answers, answers))


def _quantise(
    prepared: onnx.ModelProto,
    calibration: tuple[BgrImage, ...],
    narrow: bool,
    left_float: tuple[str, ...],
) -> onnx.ModelProto:
    """Quantise to unsigned activations and signed weights: fast on x86, and correct on ARM."""
    source = onnx.ModelProto()
    source.CopyFrom(prepared)  # the quantiser changes what it is given
    kept = last_layers(source.graph) | _with_activation(source.graph, left_float)
    names = [
        node.name for node in source.graph.node if node.op_type in _KINDS and node.name not in kept
    ]
    with temporary_folder() as folder:
        path = folder / "quantised.onnx"
        quantize_static(
            source,
            str(path),
            _Pictures(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_KINDS),
            nodes_to_quantize=names,
            per_channel=True,
            reduce_range=narrow,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        model = onnx.load(path)
    take_uint8_input(model.graph)
    share_concat_scales(model.graph)
    del model.metadata_props[:]
    return model


def _with_activation(graph: onnx.GraphProto, layers: tuple[str, ...]) -> frozenset[str]:
    """Add the activation after each layer, with which it is fused at run time."""
    outputs = {name for node in graph.node if node.name in layers for name in node.output}
    followers = {
        node.name
        for node in graph.node
        if node.op_type in {"Relu", "Clip"} and node.input[0] in outputs
    }
    return frozenset(layers) | followers
