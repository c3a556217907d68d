"""The exported graph against torch, on real pictures, for every kind of backbone."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from webcam_classifier.backbone.feature_graph import (
    squeezenet1_1_features,
    with_normalised_embedding,
)
from webcam_classifier.backbone.load import load_backbone
from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.dataset.picture_files import read_picture
from webcam_classifier.errors import UserError
from webcam_classifier.finetune import network_export
from webcam_classifier.finetune.network import build_network, embedding_network, output_layer
from webcam_classifier.finetune.network_export import (
    check_export,
    export_features,
    export_finetuned_features,
    finetuned_head,
)
from webcam_classifier.finetune.network_layers import PixelNetwork
from webcam_classifier.finetune.torch_weights import load_pretrained
from webcam_classifier.head.lda import append_head
from webcam_classifier.preprocess import prepare

NO_WEIGHTS = PretrainedWeights({}, "none")
# One of each kind: squeezenet1_1 and mobilenet_v2 are below with their real weights.
DIFFERENT = (
    "alexnet", "squeezenet1_0", "vgg16", "resnet50", "mobilenet_v3_small", "efficientnet_b0",
)  # fmt: skip


def real_pixels(folder: Path, size: int, count: int) -> NDArray[np.uint8]:
    files = sorted(folder.glob("*/*/*/*.jpg"))
    chosen = files[:: len(files) // count][:count]
    pictures = [prepare(read_picture(file), size) for file in chosen]
    return np.stack(pictures)


def export_classifier(
    network: PixelNetwork, size: int, temperature: float = 1.0
) -> onnx.ModelProto:
    return append_head(
        export_finetuned_features(network, size), finetuned_head(network, temperature)
    )


def run(graph: onnx.ModelProto, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (result,) = session.run(None, {"pixels": pixels})
    return np.asarray(result)


def spread_out(network: PixelNetwork, pixels: NDArray[np.uint8]) -> None:
    """Give a random network statistics and a head that tell these pictures apart."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the mean over what it is shown
    with torch.inference_mode():
        network.train()(torch.from_numpy(pixels))
        logits = network.eval()(torch.from_numpy(pixels))
        head = output_layer(network)
        scale = 3.0 / float(logits.std(dim=0).mean())
        head.weight.mul_(scale)
        head.bias.sub_(logits.mean(dim=0) * scale)


def assert_same(network: PixelNetwork, pixels: NDArray[np.uint8], size: int) -> None:
    with torch.inference_mode():
        expected = torch.softmax(network(torch.from_numpy(pixels)), dim=1).numpy()
    assert_close(network, pixels, size, expected)


def assert_same_as_in_double_precision(
    network: PixelNetwork, pixels: NDArray[np.uint8], size: int
) -> None:
    """For random networks, which amplify rounding: torch's own is more than 1e-4 for ResNet-50."""
    precise = copy.deepcopy(network).double()
    planar = torch.from_numpy(pixels[..., ::-1].transpose(0, 3, 1, 2).astype(np.float64))
    with torch.inference_mode():
        logits = precise.network((planar - precise.mean) / precise.deviation)
    assert_close(network, pixels, size, torch.softmax(logits, dim=1).numpy())


def assert_close(
    network: PixelNetwork, pixels: NDArray[np.uint8], size: int, expected: NDArray[np.floating]
) -> None:
    assert len(set(expected.argmax(axis=1))) > 1, "pictures that get one answer check nothing"
    np.testing.assert_allclose(run(export_classifier(network, size), pixels), expected, atol=1e-4)


@pytest.mark.parametrize("backbone", DIFFERENT)
def test_every_kind_of_backbone_answers_as_torch_does(backbone: str, shared_data: Path) -> None:
    torch.manual_seed(0)
    pixels = real_pixels(shared_data, 64, 6)
    layers = build_network(backbone, 4, NO_WEIGHTS)
    if backbone.startswith("vgg"):  # its 500 MB of linear layers are as AlexNet's, only slower
        layers.set_submodule("classifier", nn.Linear(512 * 7 * 7, 4))
    network = PixelNetwork(layers)
    spread_out(network, pixels)
    assert_same_as_in_double_precision(network, pixels, 64)


@pytest.mark.parametrize(
    ("backbone", "file"),
    [("alexnet", "alexnet-features-fp16.pth"), ("squeezenet1_1", "squeezenet1_1-fp32.pth")],
)
def test_pretrained_networks_answer_as_torch_does_on_a_hundred_pictures(
    backbone: str, file: str, shared_data: Path, shared_weights: Path
) -> None:
    torch.manual_seed(0)
    pixels = real_pixels(shared_data, 224, 100)
    pretrained = load_pretrained(backbone, str(shared_weights / file))
    network = PixelNetwork(build_network(backbone, 5, pretrained))
    spread_out(network, pixels[::5])
    assert_same(network, pixels, 224)


@pytest.mark.parametrize(
    ("backbone", "file", "width"),
    [
        ("alexnet", "alexnet-features-fp16.pth", 256),
        ("squeezenet1_1", "squeezenet1_1-fp32.pth", 768),
        ("mobilenet_v2", "mobilenet_v2-tf2-fp16.pth", 1280),
    ],
)
def test_exported_features_are_torchs(
    backbone: str, file: str, width: int, shared_data: Path, shared_weights: Path
) -> None:
    pretrained = load_pretrained(backbone, str(shared_weights / file))
    pixels = real_pixels(shared_data, 128, 6)
    with torch.inference_mode():
        network = PixelNetwork(embedding_network(backbone, pretrained))
        expected = network(torch.from_numpy(pixels)).numpy()
    graph = export_features(backbone, pretrained, 128)
    assert [output.name for output in graph.graph.output] == ["embedding"]
    result = run(graph, pixels)
    assert result.shape == (6, width)
    np.testing.assert_allclose(result, expected, atol=1e-4 * float(np.abs(expected).max()))


def test_features_that_another_version_exported_are_exported_anew(
    shared_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    weights = str(shared_weights / "squeezenet1_1-fp32.pth")
    kept = tmp_path / "webcam-classifier" / "features"

    with monkeypatch.context() as patched:
        patched.setattr(network_export, "EXPORT_SOURCES", b"of another version")
        patched.setattr(network_export, "export_features", lambda *_: _of_width(512))
        assert load_backbone("squeezenet1_1", weights, 96).width == 512
    assert load_backbone("squeezenet1_1", weights, 96).width == 768
    assert len(list(kept.iterdir())) == 2
    monkeypatch.setattr(network_export, "export_features", _of_width)  # it is read from now on
    assert load_backbone("squeezenet1_1", weights, 96).width == 768


def _of_width(width: int) -> onnx.ModelProto:
    """A graph whose embeddings have so many features."""
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 96, 96, 3])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", width])
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Expand", ["column", "shape"], ["embedding"]),
    ]
    constants = {"axes": [1, 2, 3], "last": [1], "shape": [1, width]}
    graph = helper.make_graph(
        nodes, "features", [pixels], [embedding],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("size", [75, 160])
def test_alexnet_exports_at_a_size_that_its_average_does_not_divide(
    shared_data: Path, size: int
) -> None:
    torch.manual_seed(0)
    pixels = real_pixels(shared_data, size, 6)
    network = PixelNetwork(build_network("alexnet", 3, NO_WEIGHTS))
    spread_out(network, pixels)
    assert_same(network, pixels, size)


@pytest.fixture(scope="module")
def squeezenet(squeezenet_weights: Path) -> PixelNetwork:
    pretrained = load_pretrained("squeezenet1_1", str(squeezenet_weights))
    return PixelNetwork(
        build_network("squeezenet1_1", 3, pretrained, normalised_embedding=True)
    ).eval()


@pytest.fixture(scope="module")
def squeezenet_features(squeezenet: PixelNetwork) -> onnx.ModelProto:
    return export_finetuned_features(squeezenet, 96)


def test_the_graph_is_one_valid_file_and_normalising_costs_no_node(
    squeezenet: PixelNetwork, squeezenet_features: onnx.ModelProto
) -> None:
    graph = append_head(squeezenet_features, finetuned_head(squeezenet, 1.0))
    onnx.checker.check_model(graph, full_check=True)
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds[:3] == ["Transpose", "Cast", "Conv"]
    assert "Sub" not in kinds  # of the mean
    assert kinds.count("Slice") == 1  # of the module before the last, not of the channels' order
    assert not any(tensor.external_data for tensor in graph.graph.initializer)


def test_weighing_the_middle_is_one_product_with_one_constant_and_one_mean(
    squeezenet_features: onnx.ModelProto,
) -> None:
    kinds = [node.op_type for node in squeezenet_features.graph.node]
    behind = kinds[len(kinds) - kinds[::-1].index("Concat") :]
    assert behind == ["Mul", "ReduceMean", "Mul", "Abs", "Pow", "Sign", "Mul", "LpNormalization"]
    shapes = [tuple(constant.dims) for constant in squeezenet_features.graph.initializer]
    assert shapes.count((1, 1, 5, 5)) == 1  # the map's side is 5


def test_squeezenet_through_torch_gives_the_embedding_of_the_graph_that_needs_no_torch(
    squeezenet: PixelNetwork,
    squeezenet_features: onnx.ModelProto,
    squeezenet_weights: Path,
    shared_data: Path,
) -> None:
    pixels = real_pixels(shared_data, 96, 12)
    tensors = load_pretrained("squeezenet1_1", str(squeezenet_weights)).tensors
    found = run(squeezenet_features, pixels)
    expected = run(with_normalised_embedding(squeezenet1_1_features(tensors, 96)), pixels)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with torch.inference_mode():
        logits = squeezenet(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(finetuned_head(squeezenet, 1.0).logits(found), logits, atol=1e-5)


def test_batch_normalisation_goes_into_the_convolutions_and_the_network_stays_as_it_was() -> None:
    network = PixelNetwork(build_network("resnet18", 3, NO_WEIGHTS)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    graph = export_classifier(network, 64)
    assert "BatchNormalization" not in {node.op_type for node in graph.graph.node}
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_the_temperature_is_in_the_graph_and_in_the_check(shared_data: Path) -> None:
    torch.manual_seed(0)
    pixels = real_pixels(shared_data, 64, 6)
    network = PixelNetwork(build_network("squeezenet1_1", 3, NO_WEIGHTS))
    spread_out(network, pixels)
    graph = export_classifier(network, 64, temperature=2.5)
    with torch.inference_mode():
        expected = torch.softmax(network(torch.from_numpy(pixels)) / 2.5, dim=1).numpy()
    np.testing.assert_allclose(run(graph, pixels), expected, atol=1e-4)
    assert check_export(network, graph, pixels, temperature=2.5) < 1e-4
    with pytest.raises(UserError, match="differs from the trained network"):
        check_export(network, graph, pixels, temperature=1.0)


def test_a_classifier_of_several_layers_ends_the_features_before_its_last() -> None:
    network = PixelNetwork(build_network("squeezenet1_1", 3, NO_WEIGHTS, (16,), 0.5)).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    features = export_finetuned_features(network, 64)
    assert run(features, pixels).shape == (2, 16)
    assert check_export(network, append_head(features, finetuned_head(network, 1.0)), pixels) < 1e-4
