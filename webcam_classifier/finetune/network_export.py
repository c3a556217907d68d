"""Export a torch network as one ONNX graph that takes a camera's pixels."""

from __future__ import annotations

import copy
import inspect
import sys

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from webcam_classifier.backbone import feature_graph
from webcam_classifier.backbone.feature_graph import EMBEDDING_NAME, with_normalised_embedding
from webcam_classifier.backbone.graph_builder import IR_VERSION
from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.errors import UserError
from webcam_classifier.finetune import network as finetuned_network
from webcam_classifier.finetune import network_layers
from webcam_classifier.finetune.network import (
    embedding_network,
    has_normalised_embedding,
    output_layer,
    without_output_layer,
)
from webcam_classifier.finetune.network_layers import PixelNetwork
from webcam_classifier.head.lda import LinearHead
from webcam_classifier.model_card import BATCH_AXIS, INPUT_NAME, OUTPUT_NAME
from webcam_classifier.private_onnxruntime import onnxruntime

LARGEST_DIFFERENCE = 1e-3
"""Of a probability: rounding errors stay below a tenth of it, real faults are far above."""

_OPSET = 18  # what torch's exporter writes without converting afterwards


def export_finetuned_features(network: PixelNetwork, input_size: int) -> onnx.ModelProto:
    """Export a trained network without its last layer.

    Args:
        network: Gives logits (N, classes).
        input_size: The side of the square picture, in pixels.

    Returns:
        From `pixels` (batch, size, size, 3) uint8 BGR to an embedding (batch, D) float32: what
        the last layer takes.
    """
    body = PixelNetwork(without_output_layer(network.network))
    features = export_network(_Folded(body), input_size, EMBEDDING_NAME)
    return with_normalised_embedding(features) if has_normalised_embedding(network) else features


def finetuned_head(network: PixelNetwork, temperature: float) -> LinearHead:
    """Take a trained network's last layer, for embeddings of `export_finetuned_features`.

    Args:
        network: Gives logits (N, classes).
        temperature: What the logits are divided by.
    """
    last = output_layer(network)
    weights, bias = (value.detach().cpu() / temperature for value in (last.weight, last.bias))
    return LinearHead(weights.numpy(), bias.numpy(), temperature)


EXPORT_SOURCES = "".join(
    inspect.getsource(module)
    for module in (finetuned_network, network_layers, feature_graph, sys.modules[__name__])
).encode()
"""The sources that determine an exported graph besides its weights, for the key of the cache."""


def export_features(
    backbone: str, pretrained: PretrainedWeights, input_size: int
) -> onnx.ModelProto:
    """Export a frozen network that ends before its head.

    Args:
        backbone: One of `network.BACKBONES`.
        pretrained: From `load_pretrained`.
        input_size: The side of the square picture, in pixels.

    Returns:
        From `pixels` (batch, size, size, 3) uint8 BGR to `embedding` (batch, D) float32.

    Raises:
        UserError: The backbone is unknown, or the weights are another network's.
    """
    network = PixelNetwork(embedding_network(backbone, pretrained))
    return export_network(_Folded(network), input_size, EMBEDDING_NAME)


def check_export(
    network: PixelNetwork,
    graph: onnx.ModelProto,
    prepared: NDArray[np.uint8],
    temperature: float = 1.0,
) -> float:
    """Compare an exported classifier with the network it came from.

    Args:
        network: What was exported.
        graph: From `export_finetuned_features`, with `finetuned_head` on it.
        prepared: Real pictures, (N, size, size, 3) uint8.
        temperature: What the network's logits are to be divided by.

    Returns:
        The largest difference of a probability.

    Raises:
        UserError: They differ, so the graph must not be used.
    """
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    difference = 0.0
    for pixels in prepared[:, np.newaxis]:  # one by one, as live
        with torch.inference_mode():
            logits = network(torch.from_numpy(pixels)) / temperature
            expected = torch.softmax(logits, dim=1).numpy()
        (found,) = session.run([OUTPUT_NAME], {INPUT_NAME: pixels})
        difference = max(difference, float(np.abs(found - expected).max()))
    if difference > LARGEST_DIFFERENCE:
        raise UserError(
            f"The exported graph differs from the trained network by {difference:.1e} in a "
            f"probability, and at most {LARGEST_DIFFERENCE:.0e} is allowed. Nothing was written; "
            "try another version of torch or onnxruntime."
        )
    return difference


class _Folded(nn.Module):
    """A `PixelNetwork` with the normalisation folded into its first convolution.

    The channels' order and the deviation go into that convolution's weights. The mean goes into
    its bias where it has no padding; else the border, which is zero after the mean was taken
    off, would change, and the mean stays a subtraction.
    """

    mean: torch.Tensor | None

    def __init__(self, network: PixelNetwork) -> None:
        super().__init__()
        self.network = copy.deepcopy(network.network).cpu().eval().requires_grad_(False)
        mean = network.mean.cpu().double()  # (1, 3, 1, 1), red green blue, of pixels 0..255
        first = next(layer for layer in self.network.modules() if isinstance(layer, nn.Conv2d))
        weight = first.weight.double() / network.deviation.cpu().double()
        first.weight = nn.Parameter(weight.flip(1).float(), requires_grad=False)
        if first.padding == (0, 0) and first.bias is not None:
            shifted = first.bias.double() - (weight * mean).sum(dim=(1, 2, 3))
            first.bias = nn.Parameter(shifted.float(), requires_grad=False)
            self.register_buffer("mean", None)
        else:
            self.register_buffer("mean", mean.flip(1).float())

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        planes = pixels.permute(0, 3, 1, 2).float()
        if self.mean is not None:
            planes = planes - self.mean
        output: torch.Tensor = self.network(planes)
        return output


def export_network(network: nn.Module, size: int, output: str) -> onnx.ModelProto:
    """Export a network as ONNX.

    Args:
        network: From (N, size, size, 3) uint8 BGR to (N, D).
        size: The side of the square picture, in pixels.
        output: The name of what it gives.
    """
    # Two pictures: with one, the exporter would take the batch for a constant.
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    program = torch.onnx.export(
        network.eval(),
        (example,),
        dynamo=True,
        verbose=False,
        opset_version=_OPSET,
        input_names=[INPUT_NAME],
        output_names=[output],
        dynamic_shapes=({0: torch.export.Dim(BATCH_AXIS, min=1)},),
        external_data=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    model: onnx.ModelProto = program.model_proto
    model.ir_version = IR_VERSION
    return model
