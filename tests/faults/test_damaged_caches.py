"""What lies in a cache is checked before it is used, and where it can't be written, all goes on."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from tests.coloured_pictures import write_coloured_pictures
from webcam_classifier.backbone.load import frozen_features
from webcam_classifier.backbone.weights import squeezenet1_1_weights
from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.cli import train
from webcam_classifier.errors import UserError
from webcam_classifier.graph_cache import cache_graph, is_graph_cached, read_cached_graph
from webcam_classifier.runtime.choice import choose_runtime
from webcam_classifier.runtime.file_hashes import changed_files, is_unchanged, note_hashes
from webcam_classifier.runtime.providers import ExecutionConfig
from webcam_classifier.runtime.session import open_model
from webcam_classifier.teaching.session import feature_file

_ROOT = Path(__file__).resolve().parents[2]
_SIZE = 64  # pixels
_OPTIMISED = ExecutionConfig(threads=1, is_optimised=True)

Damage = Callable[[bytes], bytes]


def flipped(content: bytes, seed: int) -> bytes:
    damaged = bytearray(content)
    for place in random.Random(seed).sample(range(len(damaged)), 20):
        damaged[place] ^= 1 << seed % 8
    return bytes(damaged)


_DAMAGES: dict[str, Damage] = {
    "flipped": lambda content: flipped(content, 0),
    "flipped elsewhere": lambda content: flipped(content, 1),
    "last byte": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "cut": lambda content: content[: len(content) // 2],
    "cut by one": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "empty": lambda _: b"",
    "of another type": lambda _: b'{"weights": "none"}',
    "not finite": lambda content: content.replace(content[-600:-300], b"\xff" * 300),
}


@pytest.fixture(scope="module")
def small_model(squeezenet_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_coloured_pictures(folder / "pictures", count=8)
    arguments = [str(folder / "pictures"), "--output", str(folder / "model"), "--mode", "head"]
    train.main([*arguments, "--input-size", str(_SIZE), "--weights", str(squeezenet_weights)])
    return folder / "model" / "model.onnx"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


class Heard(logging.Handler):
    """What the library logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def __enter__(self) -> Heard:
        logging.getLogger("webcam_classifier").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("webcam_classifier").removeHandler(self)


def answers(model: Path, runtime: ExecutionConfig) -> NDArray[np.float32]:
    session = open_model(model, runtime)
    random_ = np.random.default_rng(0)
    pictures = random_.integers(0, 256, (4, _SIZE, _SIZE, 3), dtype=np.uint8)
    return np.stack([session.run(picture[np.newaxis])["probabilities"][0] for picture in pictures])


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_damaged_optimised_graph_is_made_anew_and_said_once(
    damage: str, small_model: Path, cache: Path
) -> None:
    expected = answers(small_model, _OPTIMISED)
    (kept,) = cache.rglob("rearranged-cpu.onnx")
    whole = kept.read_bytes()
    damaged = _DAMAGES[damage](whole)
    assert damaged != whole
    kept.write_bytes(damaged)
    with Heard() as heard:
        np.testing.assert_array_equal(answers(small_model, _OPTIMISED), expected)
    assert [line for line in heard.lines if "damaged" in line] == [
        f"{kept} was damaged, and is rebuilt."
    ]
    assert is_graph_cached(kept)
    with Heard() as heard:
        np.testing.assert_array_equal(answers(small_model, _OPTIMISED), expected)
    assert heard.lines == []


def test_where_the_cache_cannot_be_written_a_model_runs_as_it_is(
    small_model: Path, cache: Path
) -> None:
    expected = answers(small_model, ExecutionConfig(threads=1))
    cache.parent.write_text("a file where the folder should be")
    with Heard() as heard:
        found = answers(small_model, _OPTIMISED)
    np.testing.assert_array_equal(found, expected)
    assert len(heard.lines) == 1
    assert "run as it is" in heard.lines[0]
    said: list[str] = []
    assert choose_runtime(small_model, "cpu", 0, said.append).runtime.provider == "cpu"


def test_every_flip_of_a_kept_graph_is_seen(tmp_path: Path) -> None:
    graph = onnx.ModelProto(ir_version=9, producer_name="a graph").SerializeToString()
    path = tmp_path / "graph.onnx"
    cache_graph(path, graph)
    whole = path.read_bytes()
    kept = onnx.load_from_string(whole)  # still ONNX as a whole
    assert kept.producer_name == "a graph"
    assert len(kept.metadata_props) == 1
    with Heard() as heard:
        for place in range(len(whole)):
            damaged = bytearray(whole)
            damaged[place] ^= 1
            path.write_bytes(bytes(damaged))
            assert read_cached_graph(path) is None
            path.write_bytes(whole[:place])
            assert read_cached_graph(path) is None
    assert len(heard.lines) == 2 * len(whole)
    path.write_bytes(whole)
    assert read_cached_graph(path) == whole


@pytest.mark.parametrize("damage", _DAMAGES)
def test_damaged_weights_are_fetched_again_or_said_to_be_missing(
    damage: str, squeezenet_weights: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    kept = cache / "squeezenet1_1-f286bbf4.safetensors"
    kept.write_bytes(squeezenet_weights.read_bytes())
    expected = squeezenet1_1_weights().tensors
    kept.write_bytes(_DAMAGES[damage](kept.read_bytes()))
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # as on a device without a network
    with Heard() as heard, pytest.raises(UserError, match=r"can't be fetched .* with --weights"):
        squeezenet1_1_weights()
    assert sum("can't be used, and is rebuilt" in line for line in heard.lines) == 1
    assert set(expected) == set(safetensors.numpy.load(squeezenet_weights.read_bytes()))


def test_weights_of_a_file_that_are_no_numbers_are_refused(
    squeezenet_weights: Path, tmp_path: Path
) -> None:
    tensors = safetensors.numpy.load(squeezenet_weights.read_bytes())
    tensors["features.3.squeeze.bias"][0] = np.nan
    path = tmp_path / "nan.safetensors"
    path.write_bytes(safetensors.numpy.save(tensors))
    with pytest.raises(UserError, match="not numbers"):
        frozen_features("squeezenet1_1", str(path), _SIZE)


def test_a_damaged_network_for_teaching_is_written_again(cache: Path) -> None:
    graph = onnx.ModelProto(ir_version=9, producer_name="a graph")
    path = feature_file(graph)
    whole = path.read_bytes()
    assert path.is_relative_to(cache)
    damaged = bytearray(whole)
    damaged[5] ^= 1  # of the same length
    path.write_bytes(bytes(damaged))
    with Heard() as heard:
        assert feature_file(graph).read_bytes() == whole
    assert len(heard.lines) == 1


def test_a_network_for_teaching_needs_no_cache_folder(cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be")
    graph = onnx.ModelProto(ir_version=9, producer_name="a graph")
    with Heard() as heard:
        path = feature_file(graph)
    assert path.read_bytes() == graph.SerializeToString(deterministic=True)
    assert len(heard.lines) == 1


def test_what_a_provider_compiled_is_known_again_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "compiled.onnx").write_bytes(b"graph")
    (tmp_path / "compiled.blob").write_bytes(b"kernels")
    assert not is_unchanged(tmp_path)  # of an earlier version: nothing was noted
    note_hashes(tmp_path)
    assert is_unchanged(tmp_path)
    (tmp_path / "compiled.blob").write_bytes(b"kernelz")
    assert changed_files(tmp_path) == [tmp_path / "compiled.blob"]
    (tmp_path / "compiled.blob").unlink()
    assert not is_unchanged(tmp_path)
    (tmp_path / "hashes.json").write_bytes(b"[1")
    assert not is_unchanged(tmp_path)


def test_without_a_home_nothing_is_kept_and_all_runs(small_model: Path, tmp_path: Path) -> None:
    # A number that the system knows no user of, as containers give it.
    script = (
        "import sys; from pathlib import Path\n"
        "from webcam_classifier.cache_folder import cache_folder\n"
        "from webcam_classifier.runtime.choice import choose_runtime\n"
        "Path.home = lambda: (_ for _ in ()).throw(RuntimeError('no home'))\n"
        "choice = choose_runtime(Path(sys.argv[1]), 'cpu', 0, lambda line: None)\n"
        "print(cache_folder(), choice.runtime.provider)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    environment["PYTHONPATH"] = str(_ROOT)
    done = subprocess.run(
        [sys.executable, "-c", script, str(small_model)],
        capture_output=True, text=True, check=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.split() == [f"{os.devnull}/webcam-classifier", "cpu"]
