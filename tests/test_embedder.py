"""Embeddings of a data set's pictures and of views of them, and what is remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.coloured_pictures import COLOURS, write_coloured_pictures
from tests.kept_embeddings import kept_embeddings
from tests.tiny_features import SIZE, WIDTH, tiny_backbone
from webcam_classifier.backbone.embedder import VIEWS, Embedder, views_per_picture
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.labelled_pictures import load_labelled_pictures
from webcam_classifier.head.embedded_dataset import (
    embed_elsewhere,
    embed_labelled_pictures,
    embedded_dataset,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_coloured_pictures(tmp_path / "pictures", 10)
    return tmp_path / "pictures"


def embed(folder: Path, *, seed: int = 0, remembers: bool = True, threads: int = 0) -> Dataset:
    """Index a folder and embed all of it."""
    dataset = Dataset(folder)
    dataset.refresh()
    embedder = Embedder(tiny_backbone(), dataset, seed=seed, remembers=remembers, threads=threads)
    embedder.load_cached(dataset.ordered())
    for _ in embedder.embed_all():
        pass
    return dataset


def embeddings(dataset: Dataset) -> np.ndarray:
    return np.stack([one.embeddings for one in dataset.ordered() if one.embeddings is not None])


def test_each_picture_comes_first_and_its_views_behind_it(folder: Path) -> None:
    dataset = embed(folder)
    found = embedded_dataset(dataset, tiny_backbone())
    views = found.views
    assert views.embeddings.shape == (20 * (1 + VIEWS), WIDTH)
    np.testing.assert_allclose(np.linalg.norm(views.embeddings, axis=1), 1.0, atol=1e-5)
    assert np.flatnonzero(views.is_original).tolist() == list(range(0, 180, 1 + VIEWS))
    pictures = load_labelled_pictures(folder, SIZE)
    np.testing.assert_array_equal(views.label_indices[views.is_original], pictures.label_indices)
    assert tuple(one.path for one in found.pictures) == pictures.names
    of_each = views.embeddings.reshape(20, 1 + VIEWS, WIDTH)
    assert (np.ptp(of_each, axis=1).max(axis=1) > 0).all(), "all views of a picture are the same"
    some = found.of(np.array([3, 17]))
    np.testing.assert_array_equal(some.embeddings[0], views.embeddings[3 * (1 + VIEWS)])
    assert some.label_indices.tolist() == [0] * (1 + VIEWS) + [1] * (1 + VIEWS)


def test_what_is_known_of_a_picture_comes_from_its_file(folder: Path) -> None:
    pictures = load_labelled_pictures(folder, SIZE)
    for place, one in enumerate(embed(folder).ordered()):
        assert one.size == tuple(pictures.sizes[place].tolist())
        assert one.content_hash == pictures.content_hashes[place]
        np.testing.assert_array_equal(one.fingerprint, pictures.fingerprints[place])
        np.testing.assert_array_equal(one.small, pictures.small[place])


def test_the_number_of_threads_changes_no_bit(folder: Path) -> None:
    first = embeddings(embed(folder, remembers=False, threads=1))
    np.testing.assert_array_equal(first, embeddings(embed(folder, remembers=False, threads=2)))
    np.testing.assert_array_equal(first, embeddings(embed(folder, remembers=False)))


def test_the_same_seed_gives_the_same_views_and_another_one_others(folder: Path) -> None:
    first, again, other = (
        embeddings(embed(folder, seed=seed, remembers=False)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[:, 0], other[:, 0])
    assert (first[:, 1:] != other[:, 1:]).any(axis=2).all()


def test_pictures_that_are_no_folders_index_are_embedded_alike(folder: Path) -> None:
    expected = embeddings(embed(folder, remembers=False))
    found = embed_labelled_pictures(load_labelled_pictures(folder, SIZE), tiny_backbone())
    np.testing.assert_array_equal(found.views.embeddings, expected.reshape(-1, WIDTH))


def test_the_second_time_nothing_is_embedded(folder: Path) -> None:
    cold = embeddings(embed(folder))
    before = kept_embeddings(folder)
    assert len(before) == 20
    dataset = Dataset(folder)
    dataset.refresh()
    embedder = Embedder(tiny_backbone(), dataset)
    embedder.load_cached(dataset.ordered())
    assert list(embedder.embed_all()) == []
    np.testing.assert_array_equal(cold, embeddings(dataset))
    assert kept_embeddings(folder) == before


def test_fewer_views_are_the_first_of_more_and_more_go_on_from_them(folder: Path) -> None:
    dataset = Dataset(folder)
    dataset.refresh()
    embedder = Embedder(tiny_backbone(), dataset)
    for views in (3, 9):
        for _ in embedder.embed(dataset.ordered(), views):
            pass
        assert embeddings(dataset).shape == (20, views, WIDTH)
    np.testing.assert_array_equal(embeddings(dataset), embeddings(embed(folder, remembers=False)))


def test_a_mirrored_picture_is_remembered_and_forgotten_with_its_picture(folder: Path) -> None:
    dataset = embed(folder)
    embedder = Embedder(tiny_backbone(), dataset)
    first = dataset.ordered()[0]
    (mirrored,) = embedder.embed_mirrored([first])
    assert first.embeddings is not None
    assert mirrored.shape == (WIDTH,)
    # The grid's columns stand in the other order.
    own = first.embeddings[0].reshape(3, 4, 4)
    np.testing.assert_allclose(mirrored.reshape(3, 4, 4), own[:, :, ::-1], atol=0.02)
    assert len(kept_embeddings(folder)) == 21
    np.testing.assert_array_equal(mirrored, embedder.embed_mirrored([first])[0])
    embedder.prune()
    assert len(kept_embeddings(folder)) == 21
    embedder.forget([first])
    assert len(kept_embeddings(folder)) == 19


def test_files_that_are_gone_or_no_pictures_are_taken_out(folder: Path) -> None:
    dataset = Dataset(folder)
    dataset.refresh()
    first, second, *_ = dataset.ordered()
    dataset.path(first).unlink()
    dataset.path(second).write_bytes(b"hello")
    for _ in Embedder(tiny_backbone(), dataset).embed_all():
        pass
    assert len(dataset) == 18
    assert [file.path for file in dataset.skipped] == [dataset.path(second)]
    assert "not a JPEG" in dataset.skipped[0].reason


def test_the_labels_of_elsewhere_are_the_data_sets(tmp_path: Path) -> None:
    # A folder of red alone: its only label is number 0 there, and number 1 in the data set.
    write_coloured_pictures(tmp_path / "red", 4, {"red": COLOURS["red"]}, seed=1)
    test = load_labelled_pictures(tmp_path / "red", SIZE)
    elsewhere = embed_elsewhere(test, ("blue", "red"), tiny_backbone())
    assert elsewhere.label_indices.tolist() == [1] * 4
    assert elsewhere.is_original.all()


@pytest.mark.parametrize(("count", "views"), [(20, 8), (250, 8), (400, 5), (800, 2), (5000, 2)])
def test_many_pictures_have_fewer_views(count: int, views: int) -> None:
    assert views_per_picture(count) == 1 + views
