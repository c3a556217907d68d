"""The embeddings of a data set's pictures, computed once for everything that needs them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.backbone.embedder import view_of, views_per_picture
from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.backbone.load import Backbone
from webcam_classifier.dataset.burst_numbers import number_bursts
from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.labelled_pictures import LabelledPictures
from webcam_classifier.head.embedded_views import EmbeddedViews
from webcam_classifier.head.learner import embedded_views
from webcam_classifier.preprocess import prepare


@dataclass(frozen=True, eq=False)
class EmbeddedDataset:
    """The embeddings of a data set.

    Attributes:
        backbone: That network.
        pictures: With their embeddings, in the order in which the folder lists them.
        views: Of all pictures in their order.
        views_each: How many there are of each picture, including the picture itself.
        elsewhere: Of the pictures of a separate test folder, without augmented views; None without
            one. Their labels are the data set's.
    """

    backbone: Backbone
    pictures: tuple[Picture, ...]
    views: EmbeddedViews
    views_each: int
    elsewhere: EmbeddedViews | None

    def of(self, places: NDArray[np.int64]) -> EmbeddedViews:
        """Some pictures with their views.

        Args:
            places: Of the pictures, int64.
        """
        return self.views.of(places)


def embedded_dataset(
    dataset: Dataset, backbone: Backbone, test: LabelledPictures | None = None
) -> EmbeddedDataset:
    """Collect the embeddings that a data set holds now.

    Args:
        dataset: Whose pictures were embedded, all with the same number of views at least.
        backbone: With this network.
        test: Pictures of a separate test folder.
    """
    pictures = tuple(picture for picture in dataset.ordered() if picture.is_read)
    labels = tuple(sorted(dataset.labels))
    views = views_per_picture(len(pictures))
    elsewhere = None if test is None else embed_elsewhere(test, labels, backbone)
    return EmbeddedDataset(
        backbone, pictures, embedded_views(pictures, labels, views), views, elsewhere
    )


def embed_labelled_pictures(
    pictures: LabelledPictures,
    backbone: Backbone,
    *,
    seed: int = 0,
    test: LabelledPictures | None = None,
    views: int | None = None,
) -> EmbeddedDataset:
    """Embed pictures without an index, such as a part of a folder; nothing is cached.

    Args:
        pictures: What to embed.
        backbone: With this network.
        seed: For the views.
        test: Pictures of a separate test folder.
        views: How many of each picture, including itself; None takes `views_per_picture`.
    """
    extractor = FeatureExtractor(backbone.features)
    views = views or views_per_picture(len(pictures))
    found = []
    for place, name in enumerate(pictures.names):
        image, content_hash = pictures.images[place], pictures.content_hashes[place]
        label = pictures.labels[pictures.label_indices[place]]
        root, _, below = name.rpartition(f"{label}/")
        embeddings = extractor.embed(
            view_of(
                image, content_hash, number,
                size=backbone.input_size, seed=seed, mirrored=True,
            )
            for number in range(views)
        )  # fmt: skip
        found.append(
            Picture(
                label, below, root.rstrip("/"), content_hash=content_hash, embeddings=embeddings,
                fingerprint=pictures.fingerprints[place], small=pictures.small[place],
            )
        )  # fmt: skip
    elsewhere = None if test is None else embed_elsewhere(test, pictures.labels, backbone)
    embedded = embedded_views(found, pictures.labels, views)
    return EmbeddedDataset(backbone, tuple(found), embedded, views, elsewhere)


def embed_elsewhere(
    test: LabelledPictures, labels: tuple[str, ...], backbone: Backbone
) -> EmbeddedViews:
    """Embed the pictures of another folder as they are.

    Args:
        test: Its pictures; their labels are among `labels`.
        labels: The data set's.
        backbone: The frozen network.
    """
    prepared = (prepare(image, backbone.input_size) for image in test.images)
    places = np.array([labels.index(label) for label in test.labels], dtype=np.int64)
    return EmbeddedViews(
        FeatureExtractor(backbone.features).embed(prepared),
        places[test.label_indices],
        number_bursts(test.names, test.label_indices, test.fingerprints),
        np.ones(len(test), dtype=np.bool_),
    )
