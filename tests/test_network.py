"""Networks with a new head, their weights, and checkpoints of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from tests.finetune_pictures import with_header_names
from webcam_classifier.backbone.feature_graph import BEFORE_SHARE, middle_weights
from webcam_classifier.backbone.weights import IMAGENET_DEVIATION, IMAGENET_MEAN, PretrainedWeights
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.checkpoint import CheckpointCard, checkpoint_bytes, load_checkpoint
from webcam_classifier.finetune.network import (
    build_network,
    embedding_network,
    has_normalised_embedding,
    new_classifier,
    output_layer,
    what_is_missing,
    without_output_layer,
)
from webcam_classifier.finetune.network_layers import NormalisedEmbedding, PixelNetwork
from webcam_classifier.finetune.torch_weights import load_pretrained

NO_WEIGHTS = PretrainedWeights({}, "none")
SMALL = ("squeezenet1_1", "resnet18", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0")


@pytest.mark.parametrize("backbone", [*SMALL, "alexnet"])
def test_a_network_gives_one_value_of_either_sign_for_each_class(backbone: str) -> None:
    torch.manual_seed(0)
    network = build_network(backbone, 5, NO_WEIGHTS)
    with torch.no_grad():
        output_layer(network).weight.mul_(100.0)
        logits = network(torch.randn(4, 3, 64, 64))
    assert logits.shape == (4, 5)
    assert logits.min() < 0 < logits.max()


def test_an_unknown_backbone_is_refused_with_the_closest_known_one() -> None:
    with pytest.raises(UserError, match=r"no backbone 'resnet-18'\. Did you mean resnet18\?"):
        build_network("resnet-18", 2, NO_WEIGHTS)


def test_pixels_are_turned_to_red_green_blue_and_normalised() -> None:
    pixels = torch.tensor([10, 120, 250], dtype=torch.uint8).reshape(1, 1, 1, 3)
    values = PixelNetwork(torch.nn.Identity())(pixels).flatten().numpy()
    expected = (np.array([250, 120, 10]) / 255 - IMAGENET_MEAN) / IMAGENET_DEVIATION
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_the_swapped_squeezenet_weighs_the_middle_of_torchvisions_feature_map(
    shared_weights: Path,
) -> None:
    torchvision = pytest.importorskip("torchvision")
    file = shared_weights / "squeezenet1_1-fp32.pth"
    reference = torchvision.models.squeezenet1_1()
    reference.load_state_dict(torch.load(file, weights_only=True))
    ours = embedding_network("squeezenet1_1", load_pretrained("squeezenet1_1", str(file)))
    pictures = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        taken = reference.features[:-1](pictures)
        maps = torch.cat([BEFORE_SHARE * taken[:, 256:], reference.features[-1](taken)], dim=1)
        expected = (maps * torch.from_numpy(middle_weights(maps.shape[-1]))).mean(dim=(2, 3))
        torch.testing.assert_close(ours(pictures), expected, rtol=1e-4, atol=1e-4)


def test_a_normalised_embedding_is_a_signed_power_of_length_one_and_can_be_learnt_through() -> None:
    values = torch.tensor([[4.0, -9.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    found = NormalisedEmbedding()(values)
    powers = np.array([4.0**0.7, -(9.0**0.7), 0.0])
    np.testing.assert_allclose(found[0].detach(), powers / np.linalg.norm(powers), atol=1e-5)
    np.testing.assert_array_equal(found[1].detach(), np.zeros(3))
    found[:, :2].sum().backward()
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize("backbone", ["squeezenet1_1", "resnet18", "alexnet"])
def test_a_classifier_with_a_normalised_embedding_takes_one_and_the_features_end_before_it(
    backbone: str,
) -> None:
    torch.manual_seed(0)
    network = build_network(backbone, 5, NO_WEIGHTS, normalised_embedding=True).eval()
    assert has_normalised_embedding(network)
    assert not has_normalised_embedding(build_network(backbone, 5, NO_WEIGHTS))
    pictures = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        embeddings = without_output_layer(network)(pictures)
        assert embeddings.shape == (2, output_layer(network).in_features)
        assert (embeddings.norm(dim=1) - 1.0).abs().min() > 1e-3
        expected = network(pictures)
        torch.testing.assert_close(new_classifier(network, backbone)(embeddings), expected)


def test_a_whole_state_dict_leaves_nothing_random(shared_weights: Path) -> None:
    file = shared_weights / "mobilenet_v2-tf2-fp16.pth"
    pretrained = load_pretrained("mobilenet_v2", str(file))
    assert what_is_missing("mobilenet_v2", pretrained) == ""
    assert {tensor.dtype for tensor in pretrained.tensors.values()} == {np.dtype(np.float32)}
    assert "sha256" in pretrained.source


def test_a_state_dict_as_torch_saves_it_may_count_batches(
    shared_weights: Path, tmp_path: Path
) -> None:
    state = torch.load(shared_weights / "mobilenet_v2-tf2-fp16.pth", weights_only=True)
    state["features.0.1.num_batches_tracked"] = torch.tensor(7)
    file = tmp_path / "mobilenet_v2.safetensors"
    safetensors.torch.save_file(state, file)
    assert what_is_missing("mobilenet_v2", load_pretrained("mobilenet_v2", str(file))) == ""


def test_what_a_partial_state_dict_lacks_is_said(shared_weights: Path) -> None:
    pretrained = load_pretrained("alexnet", str(shared_weights / "alexnet-features-fp16.pth"))
    assert what_is_missing("alexnet", pretrained) == (
        "The weights hold the convolutions of alexnet only: the new classifier stands right behind "
        "them."
    )
    assert "all of alexnet" in what_is_missing("alexnet", NO_WEIGHTS)


def test_without_its_classifier_alexnet_embeds_by_its_convolutions(shared_weights: Path) -> None:
    pretrained = load_pretrained("alexnet", str(shared_weights / "alexnet-features-fp16.pth"))
    pictures = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        assert embedding_network("alexnet", pretrained)(pictures).shape == (2, 256)
        assert embedding_network("alexnet", NO_WEIGHTS)(pictures).shape == (2, 4096)


@pytest.mark.parametrize(
    ("hidden_units", "width"), [((), 256), ((8,), 256 * 6 * 6)], ids=["last layer", "hidden layer"]
)
def test_behind_bare_convolutions_nothing_is_random_but_the_new_layers(
    hidden_units: tuple[int, ...], width: int, shared_weights: Path, tmp_path: Path
) -> None:
    pretrained = load_pretrained("alexnet", str(shared_weights / "alexnet-features-fp16.pth"))
    layers = build_network("alexnet", 3, pretrained, hidden_units)
    own = {name for name, _ in layers.named_parameters()} - set(pretrained.tensors)
    assert {name.split(".")[1] for name in own} == {"6"}
    linears = [layer for layer in layers.modules() if isinstance(layer, torch.nn.Linear)]
    assert linears[0].in_features == width

    network = PixelNetwork(layers).eval()
    card = CheckpointCard("alexnet", ("a", "b", "c"), 128, "none", hidden_units)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(checkpoint_bytes(network, card))
    loaded, _ = load_checkpoint(path)
    pixels = torch.randint(0, 256, (2, 128, 128, 3), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(pixels), network(pixels))


def test_another_networks_weights_are_refused(shared_weights: Path) -> None:
    with pytest.raises(UserError, match="does not hold weights of resnet18: it has 'features"):
        load_pretrained("resnet18", str(shared_weights / "alexnet-features-fp16.pth"))
    with pytest.raises(UserError, match=r"'features.0.weight' is \(64, 3, 11, 11\)"):
        load_pretrained("vgg11", str(shared_weights / "alexnet-features-fp16.pth"))


def test_a_head_for_other_classes_in_the_file_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "other_head.safetensors"
    state = build_network("resnet18", 7, NO_WEIGHTS).state_dict()
    floats = {key: value.numpy() for key, value in state.items() if value.is_floating_point()}
    safetensors.numpy.save_file(floats, file)
    pretrained = load_pretrained("resnet18", str(file))
    assert what_is_missing("resnet18", pretrained) == ""
    network = build_network("resnet18", 3, pretrained)
    np.testing.assert_array_equal(
        network.get_parameter("layer4.1.conv2.weight").detach().numpy(),
        floats["layer4.1.conv2.weight"],
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pth", None, "There is no weights file"),
        ("missing.safetensors", None, "can't be read"),
        ("noise.pth", b"no zip, no pickle", "can't be read as weights"),
        ("empty.pt", b"", "can't be read as weights"),
        ("noise.safetensors", b"12345678{}", "not a whole safetensors file"),
        ("weights.onnx", b"x", "not a known kind of weights file"),
    ],
)
def test_a_file_without_weights_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_pretrained("alexnet", str(tmp_path / name))


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "network.pth"
    torch.save(torch.nn.Linear(2, 2), file)
    with pytest.raises(UserError, match="save the state dict alone"):
        load_pretrained("alexnet", str(file))


def test_a_list_of_tensors_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.pth"
    torch.save([torch.zeros(2)], file)
    with pytest.raises(UserError, match="holds no tensors by name"):
        load_pretrained("alexnet", str(file))


def test_a_checkpoint_gives_the_same_network_back(tmp_path: Path) -> None:
    network = PixelNetwork(build_network("squeezenet1_1", 3, NO_WEIGHTS)).eval()
    network.to(memory_format=torch.channels_last)
    card = CheckpointCard("squeezenet1_1", ("rock", "paper", "ciseaux é"), 64, "none")
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(checkpoint_bytes(network, card))
    loaded, loaded_card = load_checkpoint(path)
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    assert loaded_card == card
    with torch.inference_mode():
        torch.testing.assert_close(loaded(pixels), network(pixels))


def test_a_checkpoint_of_a_classifier_of_several_layers_gives_it_back(tmp_path: Path) -> None:
    network = PixelNetwork(build_network("resnet18", 2, NO_WEIGHTS, (8, 4), 0.25)).eval()
    card = CheckpointCard("resnet18", ("a", "b"), 64, "none", (8, 4), 0.25)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(checkpoint_bytes(network, card))
    loaded, loaded_card = load_checkpoint(path)
    assert loaded_card == card
    assert str(loaded) == str(network)
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(pixels), network(pixels))


def test_a_checkpoint_remembers_the_normalised_embedding(tmp_path: Path) -> None:
    layers = build_network("squeezenet1_1", 2, NO_WEIGHTS, normalised_embedding=True)
    network = PixelNetwork(layers).eval()
    card = CheckpointCard("squeezenet1_1", ("a", "b"), 64, "none", normalised_embedding=True)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(checkpoint_bytes(network, card))
    loaded, loaded_card = load_checkpoint(path)
    assert loaded_card == card
    assert has_normalised_embedding(loaded)
    pixels = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(pixels), network(pixels))


def test_a_checkpoint_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    layers = build_network("squeezenet1_1", 2, NO_WEIGHTS, normalised_embedding=True)
    card = CheckpointCard("squeezenet1_1", ("a", "b"), 64, "none", normalised_embedding=True)
    content = checkpoint_bytes(PixelNetwork(layers).eval(), card)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(with_header_names(content, {"normalised_embedding": "unit_embedding"}))
    loaded, loaded_card = load_checkpoint(path)
    assert loaded_card == card
    assert has_normalised_embedding(loaded)


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(UserError, match="There is no checkpoint"):
        load_checkpoint(path)
    safetensors.numpy.save_file({"x": np.zeros(2, dtype=np.float32)}, path)
    with pytest.raises(UserError, match="not a whole checkpoint"):
        load_checkpoint(path)
    card = CheckpointCard("squeezenet1_1", ("a", "b"), 64, "none")
    network = PixelNetwork(build_network("squeezenet1_1", 2, NO_WEIGHTS))
    path.write_bytes(checkpoint_bytes(network, card)[:-100])
    with pytest.raises(UserError, match="not a whole checkpoint"):
        load_checkpoint(path)
