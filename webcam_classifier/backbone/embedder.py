"""How a picture is looked at: itself, then views of it that follow from its content alone."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from webcam_classifier.backbone.feature_graph import FeatureExtractor
from webcam_classifier.backbone.views import ViewRange, random_view
from webcam_classifier.dataset.embedding_cache import EmbeddingCache, PictureEmbeddings, cache_key
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare

VIEWS = 8
"""Augmented views of each picture, besides the picture itself: twelve gain little more."""

_ENOUGH_LOOKS = 2400  # pictures and views together, eight seconds: many pictures need fewer views
_FEWEST_VIEWS = 2  # without any, a head learns the room
_REACH = ViewRange(turn=8.0, scales=(0.88, 1.14), shift=0.06, gain=0.0, tint=0.0)


def views_per_picture(pictures: int) -> int:
    """Give how many looks each picture of a data set gets, itself included.

    Args:
        pictures: How many there are.
    """
    return 1 + min(VIEWS, max(_FEWEST_VIEWS, _ENOUGH_LOOKS // max(1, pictures) - 1))


def covers(looks: PictureEmbeddings | None, count: int) -> bool:
    """Tell whether a picture was looked at so often."""
    return looks is not None and len(looks.embeddings) >= count


class Embedder:
    """Embeds pictures and views of them, and remembers what it saw.

    Views depend on the seed and the picture's content: not on its place among others, nor on how
    many of them are asked for.

    Args:
        features: A graph whose only output is the embedding.
        input_size: The side of the square that the graph takes, in pixels.
        seed: For the views.
        flip: Whether views may be mirrored, from `flip_is_safe`.
        dataset: Where what was seen is kept; None keeps nothing.
        threads: Processor threads; 0 takes one for each physical core.
    """

    def __init__(
        self,
        features: onnx.ModelProto,
        input_size: int,
        *,
        seed: int,
        flip: bool,
        dataset: Path | None,
        threads: int = 0,
    ) -> None:
        self._features = features
        self._threads = threads
        self._size = input_size
        self._seed = seed
        self._flip = flip
        self.cache: EmbeddingCache | None = None
        if dataset is not None:
            width = features.graph.output[0].type.tensor_type.shape.dim[1].dim_value
            kind = cache_key(features, seed, flip)
            self.cache = EmbeddingCache(dataset, kind, width)

    @functools.cached_property
    def _extractor(self) -> FeatureExtractor:
        return FeatureExtractor(self._features, self._threads)  # only where anything is new

    def remembered(self, content_hash: str) -> PictureEmbeddings | None:
        """Give what is remembered of a picture, which may be fewer looks than are wanted."""
        return None if self.cache is None else self.cache.load(content_hash)

    def look(
        self,
        image: BgrImage,
        content_hash: str,
        fingerprint: NDArray[np.bool_],
        count: int,
        known: PictureEmbeddings | None = None,
    ) -> PictureEmbeddings:
        """Look at a picture as often as is wanted, and remember it.

        Args:
            image: (height, width, 3) uint8, shrunken to the input size or larger.
            content_hash: sha256 of its file.
            fingerprint: (256,) of the whole picture; only remembered.
            count: How many looks, the picture itself included.
            known: What is remembered of it.

        Returns:
            At least so many looks.
        """
        if known is not None and covers(known, count):
            return known
        first = 0 if known is None else len(known.embeddings)
        seen = self._extractor.embed(
            self._one_look(image, content_hash, number) for number in range(first, count)
        )
        looks = PictureEmbeddings(
            seen if known is None else np.concatenate([known.embeddings, seen]), fingerprint
        )
        if self.cache is not None:
            self.cache.save(content_hash, looks)
        return looks

    def _one_look(self, image: BgrImage, content_hash: str, number: int) -> BgrImage:
        if number == 0:
            return prepare(image, self._size)
        generator = np.random.default_rng((self._seed, int(content_hash[:32], 16), number))
        return random_view(image, self._size, generator, _REACH, self._flip)
