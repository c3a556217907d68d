"""Networks of timm as backbones: their weights, what of them is refused, and what they compute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("timm")
import timm
import torch
import torchvision
from safetensors.torch import save_file

from tests.some_pictures import copy_some
from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.backbone.load import is_only_frozen, load_backbone, usual_input_size
from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.cli import train
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.errors import UserError
from webcam_classifier.finetune.timm_network import (
    PERMISSIVE,
    export_timm_features,
    load_timm_weights,
)
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.preprocess import prepare

_FORBIDS = ("cc-by-nc-4.0", "fair-noncommercial-research-license")


def states_of_mobilenet(shared_weights: Path) -> dict[str, torch.Tensor]:
    """Real weights of MobileNetV2, torchvision's, by the names that timm has for the same layers.

    Both build the same layers in the same order.
    """
    state = torch.load(shared_weights / "mobilenet_v2-tf2-fp16.pth", weights_only=True)
    networks = timm.create_model("mobilenetv2_100"), torchvision.models.mobilenet_v2()
    names, torchvision_names = (
        [name for name, value in one.state_dict().items() if value.is_floating_point()]
        for one in networks
    )
    return {
        name: state[of_torchvision].float()
        for name, of_torchvision in zip(names, torchvision_names, strict=True)
    }


@pytest.fixture(scope="module")
def mobilenet(shared_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of real weights with timm's names."""
    file = tmp_path_factory.mktemp("weights") / "mobilenetv2_100.safetensors"
    save_file(states_of_mobilenet(shared_weights), file)
    return file


@pytest.mark.slow
def test_a_network_computes_what_torchvisions_same_network_does(
    mobilenet: Path,
    shared_weights: Path,
    shared_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy_some(shared_data / "masks", tmp_path / "masks", step=20)
    command = [str(tmp_path / "masks"), "--backbone", "timm/mobilenetv2_100", "--mode", "head"]
    output = tmp_path / "model"
    train.main([*command, "--weights", str(mobilenet), "--output", str(output)])
    assert "trained in" in capsys.readouterr().out
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["backbone"] == "timm/mobilenetv2_100"
    assert metrics["accuracy"] > 0.8
    assert Classifier(output / "model.onnx").card.backbone == "timm/mobilenetv2_100"

    pictures = load_labelled_pictures(tmp_path / "masks", 224).images[:5]
    prepared = [prepare(image, 224) for image in pictures]
    theirs = load_backbone("timm/mobilenetv2_100", str(mobilenet), 224)
    file = shared_weights / "mobilenet_v2-tf2-fp16.pth"
    same = load_backbone("mobilenet_v2", str(file), 224)
    assert theirs.width == same.width == 1280
    np.testing.assert_allclose(
        FeatureExtractor(theirs.features).embed(prepared),
        FeatureExtractor(same.features).embed(prepared),
        atol=1e-5,
    )
    with pytest.raises(SystemExit):
        train.main([*command[:-1], "finetune"])
    assert "can't be trained here" in capsys.readouterr().err


def test_weights_of_another_network_are_refused(mobilenet: Path, shared_weights: Path) -> None:
    with pytest.raises(UserError, match=r"does not hold weights of timm/mobilenetv2_140: .*is \("):
        load_timm_weights("mobilenetv2_140", str(mobilenet))
    with pytest.raises(UserError, match="Name the network that it belongs to"):
        load_timm_weights("resnet18", str(mobilenet))
    with pytest.raises(UserError, match="does not hold weights of timm/mobilenetv2_100"):
        load_timm_weights("mobilenetv2_100", str(shared_weights / "mobilenet_v2-tf2-fp16.pth"))


def test_weights_that_are_no_numbers_are_refused(shared_weights: Path, tmp_path: Path) -> None:
    state = states_of_mobilenet(shared_weights)
    state["conv_stem.weight"][0, 0, 0, 0] = torch.nan
    save_file(state, tmp_path / "damaged.safetensors")
    with pytest.raises(UserError, match=r"'conv_stem\.weight' holds what is not a number"):
        load_timm_weights("mobilenetv2_100", str(tmp_path / "damaged.safetensors"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm/mobilenetv4_conv_smal", "Did you mean timm/mobilenetv4_conv_small"),
        ("timm/mobilenetv4_conv_small.no_such_tag", "mobilenetv4_conv_small.e2400_r224_in1k"),
    ],
)
def test_an_unknown_name_says_what_there_is(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        usual_input_size(name)


def test_the_size_that_a_network_was_trained_on_is_its_usual_one() -> None:
    assert usual_input_size("timm/mobilenetv4_conv_small.e3600_r256_in1k") == 256
    assert usual_input_size("timm/mobilenetv2_100") == 224
    assert is_only_frozen("timm/mobilenetv2_100")


def test_a_network_of_one_size_takes_no_other() -> None:
    with pytest.raises(UserError, match="takes pictures of 224 pixels only"):
        export_timm_features("vit_tiny_patch16_224", PretrainedWeights({}, "none"), 192)


def test_weights_whose_licence_forbids_some_uses_are_not_fetched() -> None:
    name = next(name for name in timm.list_models(pretrained=True) if licence(name) in _FORBIDS)
    with pytest.raises(UserError, match=r"have the licence .*, which may forbid some uses"):
        load_timm_weights(name, "auto")
    assert licence("mobilenetv4_conv_small") in PERMISSIVE


def licence(name: str) -> str | None:
    """The licence of a network's weights, as timm has it."""
    configuration = timm.get_pretrained_cfg(name)
    return None if configuration is None else configuration.license


@contextmanager
def hub(content: bytes) -> Iterator[tuple[str, list[str]]]:
    """Serve one file as the Hugging Face hub does.

    Yields:
        Its address, and the paths that were asked for.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            is_there = self.path.endswith("/resolve/main/model.safetensors")
            self.send_response(200 if is_there else 404)
            self.send_header("ETag", f'"{sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_weights_are_fetched_from_the_hub_once(mobilenet: Path, tmp_path: Path) -> None:
    code = (
        "from webcam_classifier.finetune.timm_network import load_timm_weights as load\n"
        "found = load('mobilenetv2_100', 'auto')\n"
        "print(len(found.tensors), found.source)\n"
    )
    content = mobilenet.read_bytes()
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

    def load(address: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], env={**environment, "HF_ENDPOINT": address},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    with hub(content) as (address, asked):
        first = load(address)
        assert any("/timm/mobilenetv2_100.ra_in1k/resolve/main/" in path for path in asked)
        times = len(asked)
        assert load(address) == first
        assert len(asked) == times
    tensors, _, source = first.partition(" ")
    assert int(tensors) == 260  # all but the classifier's
    assert sha256(content).hexdigest() in source
    assert source.endswith("licence apache-2.0")
    assert load("http://127.0.0.1:9") == first  # nobody is there
