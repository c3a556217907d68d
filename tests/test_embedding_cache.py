"""What the network saw is kept beside the pictures, and never believed when it is damaged."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.coloured_pictures import write_coloured_pictures
from tests.tiny_features import SIZE, WIDTH, tiny_features
from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.cli import train
from webcam_classifier.dataset.embedding_cache import (
    FOLDER_NAME,
    EmbeddingCache,
    PictureEmbeddings,
    cache_key,
)
from webcam_classifier.dataset.labelled_pictures import LabelledPictures, load_labelled_pictures
from webcam_classifier.head.embedded_dataset import embed_views

HASH, OTHER_HASH = "ab" * 32, "cd" * 32


def looks(count: int = 3, seed: int = 0) -> PictureEmbeddings:
    generator = np.random.default_rng(seed)
    embeddings = generator.random((count, WIDTH), dtype=np.float32)
    return PictureEmbeddings(embeddings, generator.random(256) < 0.5)


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path, "kind", WIDTH)


@pytest.fixture
def pictures(tmp_path: Path) -> LabelledPictures:
    write_coloured_pictures(tmp_path / "pictures", 4)
    return load_labelled_pictures(tmp_path / "pictures", SIZE)


def embed(pictures: LabelledPictures, seed: int = 0, remember: bool = True) -> NDArray[np.float32]:
    folder = pictures.folder if remember else None
    bursts = np.arange(len(pictures))
    return embed_views(pictures, bursts, tiny_features(), SIZE, seed, folder).embeddings


def kept(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted((folder / FOLDER_NAME).glob("*/*"))}


def test_what_is_saved_is_loaded_bit_for_bit(cache: EmbeddingCache) -> None:
    assert cache.load(HASH) is None
    cache.save(HASH, looks())
    found = cache.load(HASH)
    assert found is not None
    np.testing.assert_array_equal(found.embeddings, looks().embeddings)
    np.testing.assert_array_equal(found.fingerprint, looks().fingerprint)
    assert cache.load(OTHER_HASH) is None


@pytest.mark.parametrize("damage", ["cut off", "changed", "empty", "of another width", "foreign"])
def test_what_is_damaged_is_passed_over_and_written_anew(
    tmp_path: Path, cache: EmbeddingCache, damage: str
) -> None:
    cache.save(HASH, looks())
    path = tmp_path / FOLDER_NAME / "kind" / HASH
    content = path.read_bytes()
    if damage == "of another width":
        cache = EmbeddingCache(tmp_path, "kind", WIDTH - 5)
    else:
        changed = content[:100] + bytes([content[100] ^ 1]) + content[101:]
        damaged = {"cut off": content[:-9], "changed": changed, "empty": b"", "foreign": b"hello"}
        path.write_bytes(damaged[damage])
    assert cache.load(HASH) is None
    cache.save(HASH, PictureEmbeddings(looks().embeddings[:, : cache.width], looks().fingerprint))
    assert cache.load(HASH) is not None


def test_pictures_that_are_gone_are_forgotten(tmp_path: Path, cache: EmbeddingCache) -> None:
    cache.save(HASH, looks())
    cache.save(OTHER_HASH, looks())
    for path in (tmp_path / FOLDER_NAME / "kind").iterdir():
        os.utime(path, (time.time() - 100,) * 2)
    EmbeddingCache(tmp_path, "kind", WIDTH).prune([HASH])
    assert cache.load(HASH) is not None
    assert cache.load(OTHER_HASH) is None


def test_what_another_program_has_just_written_stays(cache: EmbeddingCache) -> None:
    cache.save(HASH, looks())
    cache.prune([])
    assert cache.load(HASH) is not None


def test_a_picture_that_is_undone_is_forgotten_for_every_network(tmp_path: Path) -> None:
    caches = [EmbeddingCache(tmp_path, kind, WIDTH) for kind in ("one", "other")]
    for one in caches:
        one.save(HASH, looks())
    caches[0].discard(HASH)
    assert [one.load(HASH) for one in caches] == [None, None]


def test_few_networks_are_remembered(tmp_path: Path) -> None:
    for number in range(7):
        one = EmbeddingCache(tmp_path, f"kind{number}", WIDTH)
        one.save(HASH, looks())
        os.utime(tmp_path / FOLDER_NAME / f"kind{number}", (number + 1,) * 2)
    EmbeddingCache(tmp_path, "kind2", WIDTH).prune([HASH])
    names = sorted(path.name for path in (tmp_path / FOLDER_NAME).iterdir())
    assert names == ["kind2", "kind4", "kind5", "kind6"]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / FOLDER_NAME).write_text("in the way")
    cache = EmbeddingCache(tmp_path, "kind", WIDTH)
    cache.save(HASH, looks())
    assert cache.load(HASH) is None
    cache.discard(HASH)
    cache.prune([])
    assert (tmp_path / FOLDER_NAME).read_text() == "in the way"


def test_seed_and_mirroring_and_network_are_kept_apart() -> None:
    graph = tiny_features()
    other = onnx.ModelProto()
    other.CopyFrom(graph)
    other.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.array(0.5, np.float32), graph.graph.initializer[0].name)
    )
    kinds = [
        cache_key(graph, 0, True),
        cache_key(graph, 1, True),
        cache_key(graph, 0, False),
        cache_key(other, 0, True),
    ]
    assert len(set(kinds)) == 4
    assert cache_key(tiny_features(), 0, True) == kinds[0]


def test_the_second_time_nothing_is_looked_at(pictures: LabelledPictures) -> None:
    cold = embed(pictures)
    before = kept(pictures.folder)
    assert len(before) == 8
    # Were a picture looked at again, it would be this grey one.
    grey = tuple(np.full((SIZE, SIZE, 3), 127, np.uint8) for _ in pictures.images)
    warm = embed(dataclasses.replace(pictures, images=grey))
    np.testing.assert_array_equal(cold, warm)
    assert kept(pictures.folder) == before
    np.testing.assert_array_equal(cold, embed(pictures, remember=False))


def test_only_new_pictures_are_looked_at(pictures: LabelledPictures) -> None:
    embed(pictures.at(np.arange(6)))
    before = kept(pictures.folder)
    whole = embed(pictures)
    after = kept(pictures.folder)
    assert len(after) == 8
    assert before.items() <= after.items()
    np.testing.assert_array_equal(whole, embed(pictures, remember=False))


def test_fewer_looks_are_the_first_of_more(pictures: LabelledPictures) -> None:
    looker = Embedder(tiny_features(), SIZE, seed=0, flip=True, dataset=None)
    image, bits = pictures.images[0], pictures.fingerprints[0]
    few = looker.look(image, HASH, bits, 3)
    many = looker.look(image, HASH, bits, 9)
    np.testing.assert_array_equal(few.embeddings, many.embeddings[:3])
    np.testing.assert_array_equal(
        looker.look(image, HASH, bits, 9, few).embeddings, many.embeddings
    )
    other = looker.look(image, OTHER_HASH, bits, 9)
    np.testing.assert_array_equal(other.embeddings[0], many.embeddings[0])
    assert (other.embeddings[1:] != many.embeddings[1:]).any(axis=1).all()


def initializers(model: Path) -> dict[str, NDArray[np.generic]]:
    graph = onnx.load(model).graph
    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


@pytest.mark.parametrize("seed", [0, 5])
def test_a_model_is_the_same_bit_for_bit_where_pictures_were_remembered(
    tmp_path: Path, squeezenet_weights: Path, seed: int
) -> None:
    write_coloured_pictures(tmp_path / "pictures", 6)
    command = [str(tmp_path / "pictures"), "--mode", "head", "--weights", str(squeezenet_weights)]
    command += ["--input-size", "64", "--seed", str(seed), "--output"]
    train.main([*command, str(tmp_path / "cold")])
    before = kept(tmp_path / "pictures")
    assert len(before) == 12
    train.main([*command, str(tmp_path / "warm")])
    assert kept(tmp_path / "pictures") == before, "all was remembered"
    cold = initializers(tmp_path / "cold" / "model.onnx")
    warm = initializers(tmp_path / "warm" / "model.onnx")
    assert warm.keys() == cold.keys()
    for name, value in cold.items():
        np.testing.assert_array_equal(value, warm[name], err_msg=name)
