"""Look at the files of a data set with the frozen network, as train.py does, and remember it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import onnx

from webcam_classifier.backbone.embedder import Embedder
from webcam_classifier.backbone.views import flip_is_safe
from webcam_classifier.dataset.labelled_pictures import fingerprint
from webcam_classifier.dataset.picture_files import decode_picture
from webcam_classifier.preprocess import shrink
from webcam_classifier.teaching.known_pictures import KnownPicture

_SEED = 0  # of views: train.py's own, so that it finds them in the cache
_READERS = 4  # files read at once at the start


class Eye:
    """Looks at pictures, as often as is wanted, or remembers them.

    Args:
        dataset: The folder of the pictures.
        features: From `pixels` to the unit embedding.
        input_size: The side of the square that the graph takes, in pixels.
    """

    def __init__(self, dataset: Path, features: onnx.ModelProto, input_size: int) -> None:
        self._dataset = dataset
        self._features = features
        self._size = input_size
        self._flip = True
        self._looker = self._new_looker()

    def adapt(self, labels: Sequence[str]) -> bool:
        """Follow what the labels allow: with a left and a right, no view may be mirrored.

        Args:
            labels: Those that have pictures.

        Returns:
            Whether views that were made before are of no use any more.
        """
        flip = flip_is_safe(tuple(labels))
        if flip == self._flip:
            return False
        self._flip = flip
        self._looker = self._new_looker()
        return True

    def remember(self, pictures: Sequence[KnownPicture]) -> list[KnownPicture]:
        """Read files, and give what is remembered of their content; nothing is decoded.

        Args:
            pictures: On the disk.

        Returns:
            The same in the same order; what can't be read is given back as it is.
        """
        with ThreadPoolExecutor(_READERS) as readers:
            return list(readers.map(self._remembered, pictures))

    def look(self, picture: KnownPicture, looks: int) -> KnownPicture:
        """Look at a picture's file, or remember it.

        Args:
            picture: On the disk.
            looks: How often, the picture itself included.

        Raises:
            OSError: The file can't be read, or is gone.
            PictureError: It is no picture.
        """
        content = self._path(picture).read_bytes()
        content_hash = hashlib.sha256(content).hexdigest()
        known = self._looker.remembered(content_hash)
        if known is None or len(known.embeddings) < looks:
            image = decode_picture(content)
            bits = fingerprint(image)
            small = shrink(image, self._size)
            known = self._looker.look(small, content_hash, bits, looks, known)
        return replace(
            picture,
            content_hash=content_hash,
            embeddings=known.embeddings,
            fingerprint=known.fingerprint,
        )

    def forget(self, pictures: Iterable[KnownPicture]) -> None:
        """Forget pictures that are gone."""
        if self._looker.cache is not None:
            for picture in pictures:
                if picture.content_hash:
                    self._looker.cache.discard(picture.content_hash)

    def tidy(self, pictures: Iterable[str]) -> None:
        """Forget all other pictures.

        Args:
            pictures: The content hashes of those that there are.
        """
        if self._looker.cache is not None:
            self._looker.cache.prune(set(pictures))

    def _new_looker(self) -> Embedder:
        return Embedder(
            self._features, self._size, seed=_SEED, flip=self._flip,
            dataset=self._dataset, threads=1,
        )  # fmt: skip

    def _remembered(self, picture: KnownPicture) -> KnownPicture:
        try:
            content = self._path(picture).read_bytes()
        except OSError:
            return picture
        content_hash = hashlib.sha256(content).hexdigest()
        known = self._looker.remembered(content_hash)
        if known is None:
            return replace(picture, content_hash=content_hash)
        return replace(
            picture,
            content_hash=content_hash,
            embeddings=known.embeddings,
            fingerprint=known.fingerprint,
        )

    def _path(self, picture: KnownPicture) -> Path:
        return self._dataset / picture.label / picture.name
