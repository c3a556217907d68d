"""Embed a data set's pictures and random views of them, which depend on their content only."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.backbone.feature_graph import FeatureExtractor, embedding_workers
from webcam_classifier.backbone.load import Backbone
from webcam_classifier.backbone.views import ViewRange, random_view
from webcam_classifier.dataset.embedding_cache import EmbeddingCache, PictureEmbeddings, cache_key
from webcam_classifier.dataset.index import Dataset, Picture
from webcam_classifier.dataset.picture_files import PictureError
from webcam_classifier.dataset.reading import (
    DecodedPicture,
    decode,
    describe_failure,
    read_ahead,
)
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare
from webcam_classifier.worker_threads import run_ahead

VIEWS = 8
"""Augmented views of each picture in addition to the picture itself; twelve gain little more."""

_ENOUGH_VIEWS = 2400  # in all, which take eight seconds: with many pictures, fewer of each do
_FEWEST_VIEWS = 2  # of each picture; without any, a head learns the room
_RANGE = ViewRange(turn=8.0, scales=(0.88, 1.14), shift=0.06, gain=0.0, tint=0.0)


def views_per_picture(pictures: int) -> int:
    """Return how many views each picture of a data set gets, including the picture itself.

    Args:
        pictures: How many there are.
    """
    return 1 + min(VIEWS, max(_FEWEST_VIEWS, _ENOUGH_VIEWS // max(1, pictures) - 1))


@dataclass(frozen=True, eq=False)
class _ReadFile:
    """What was read of a picture's file.

    Attributes:
        content_hash: The sha256 of its content, in hexadecimal.
        known: Its embeddings so far, from the cache; None if it has none.
        decoded: The picture; None if enough of its views are known.
    """

    content_hash: str
    known: PictureEmbeddings | None
    decoded: DecodedPicture | None


@dataclass(frozen=True, eq=False)
class _Batch:
    """Some views of one picture, for one run of the network.

    Attributes:
        picture: The picture.
        found: What was read of its file, or why it could not be read.
        views: The numbers of the views; none if there is nothing to embed.
        is_last: Whether it is the picture's last batch.
    """

    picture: Picture
    found: _ReadFile | PictureError | OSError
    views: range
    is_last: bool


class Embedder:
    """Embeds the pictures of a data set and random views of them, and caches the embeddings.

    A view depends on the seed, its number and the content of the picture only. So the same
    pictures have the same embeddings in every command.

    One thread at a time may embed; any thread may forget pictures.

    Args:
        backbone: The frozen network.
        dataset: The data set, whose index receives the embeddings.
        seed: For the views.
        mirrored: Whether half of the views are mirrored.
        remembers: Whether embeddings are cached in the data set's folder.
        threads: CPU threads for one run of the network at a time, with everything else in the
            caller's thread. 0 makes several runs at the same time, on all physical cores, and
            reads files ahead.
    """

    def __init__(
        self,
        backbone: Backbone,
        dataset: Dataset,
        *,
        seed: int = 0,
        mirrored: bool = True,
        remembers: bool = True,
        threads: int = 0,
    ) -> None:
        self.backbone = backbone
        self.mirrored = mirrored
        self._dataset = dataset
        self._crop = dataset.crop
        self._seed = seed
        self._threads = threads
        self._remembers = remembers
        self._cache = self._open_cache()

    def adapt(self, mirrored: bool) -> bool:
        """Change whether views are mirrored; not while `embed` is under way.

        Returns:
            Whether it was changed, so that views embedded before are out of date.
        """
        if mirrored == self.mirrored:
            return False
        self.mirrored = mirrored
        self._cache = self._open_cache()
        return True

    def follow_crop(self) -> None:
        """Follow a change of the data set's crop; not while `embed` is under way.

        Embeddings of the former crop are not put into the index once the data set has another one.
        """
        if self._crop != self._dataset.crop:
            self._crop = self._dataset.crop
            self._cache = self._open_cache()

    def load_cached(self, pictures: Collection[Picture]) -> None:
        """Read files, and put their cached embeddings into the index; nothing is decoded.

        A file that can't be read is passed over.
        """

        def content_hash(picture: Picture) -> str:
            return hashlib.sha256(self._dataset.path(picture).read_bytes()).hexdigest()

        hashes = {
            picture: found
            for picture, found in read_ahead(pictures, content_hash)
            if isinstance(found, str)
        }
        known = {} if self._cache is None else self._cache.load_many(hashes.values())
        self._dataset.replace(
            (picture, _completed(picture, _ReadFile(found, known.get(found), None)))
            for picture, found in hashes.items()
        )

    def embed_all(self) -> Iterator[Picture]:
        """Embed every picture of the data set, with as many views as `views_per_picture` says.

        Yields:
            Each picture that is done, for progress reports.
        """
        views = 0
        # Unreadable files are dropped on the way, and fewer pictures may need more views of each.
        while (needed := views_per_picture(len(self._dataset))) > views:
            views = needed
            yield from self.embed(self._dataset.ordered(), views)

    def embed(self, pictures: Collection[Picture], views: int) -> Iterator[Picture]:
        """Embed pictures, and put them into the index.

        A file that is missing is removed from the index, and one that can't be read is refused
        there with the reason.

        Args:
            pictures: On the disk; those with enough views already are skipped.
            views: How many of each, including the picture itself.

        Yields:
            Each picture that is done, for progress reports.
        """
        new = [picture for picture in pictures if not picture.is_embedded(views)]
        readers = 0 if self._threads else None
        read = read_ahead(new, lambda picture: self._read_file(picture, views), readers)
        batches = run_ahead(
            self._embed_batch, self._batches(read, views), embedding_workers(self._threads)
        )
        seen = []
        for batch, embeddings in batches:
            seen.append(embeddings())
            if batch.is_last:
                self._put(batch.picture, batch.found, np.concatenate(seen))
                seen = []
                yield batch.picture

    def embed_mirrored(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return the embeddings of the pictures' mirror images, from the cache where possible.

        Args:
            pictures: With known content hashes; at least one.

        Returns:
            (pictures, features) float32.

        Raises:
            OSError: A file can no longer be read.
            PictureError: A file is no longer a picture.
        """
        keys = [_mirrored_key(picture.content_hash) for picture in pictures]
        known = {} if self._cache is None else self._cache.load_many(keys)
        missing = {
            key: picture for key, picture in zip(keys, pictures, strict=True) if key not in known
        }
        if missing:
            mirror = functools.partial(self._mirrored, self._extractor)
            found = run_ahead(mirror, missing.values(), embedding_workers(self._threads))
            new = dict(zip(missing, (embedded() for _, embedded in found), strict=True))
            if self._cache is not None:
                self._cache.save_many(new)
            known |= new
        return np.stack([known[key].embeddings[0] for key in keys])

    def forget(self, pictures: Iterable[Picture]) -> None:
        """Remove pictures from the cache."""
        if self._cache is not None:
            for picture in pictures:
                if picture.content_hash:
                    self._cache.discard(picture.content_hash)
                    self._cache.discard(_mirrored_key(picture.content_hash))

    def prune(self) -> None:
        """Remove all pictures from the cache that are not in the data set."""
        if self._cache is not None:
            contents = set(self._dataset.contents())
            self._cache.prune(contents | set(map(_mirrored_key, contents)))

    @functools.cached_property
    def _extractor(self) -> FeatureExtractor:
        return FeatureExtractor(self.backbone.features, self._threads)  # opened only if needed

    def _open_cache(self) -> EmbeddingCache | None:
        if not self._remembers:
            return None
        kind = cache_key(self.backbone.features, self._seed, self.mirrored, self._crop)
        return EmbeddingCache(self._dataset.folder, kind, self.backbone.width)

    def _read_file(self, picture: Picture, views: int) -> _ReadFile:
        """Read a file in any thread, and decode it only if the cache has too few of its views."""
        content = self._dataset.path(picture).read_bytes()
        content_hash = hashlib.sha256(content).hexdigest()
        known = None if self._cache is None else self._cache.load(content_hash)
        if views == 0 or (known is not None and len(known.embeddings) >= views):
            return _ReadFile(content_hash, known, None)
        decoded = decode(content, self.backbone.input_size, self._crop)
        return _ReadFile(content_hash, known, decoded)

    def _batches(
        self,
        read: Iterable[tuple[Picture, _ReadFile | PictureError | OSError]],
        views: int,
    ) -> Iterator[_Batch]:
        """Yield the views to embed of each picture that was read, or one empty batch if none."""
        for picture, found in read:
            if isinstance(found, Exception) or found.decoded is None:
                yield _Batch(picture, found, range(0), is_last=True)
                continue
            size = self._extractor.batch_size
            first = 0 if found.known is None else len(found.known.embeddings)
            for start in range(first, views, size):
                stop = min(views, start + size)
                yield _Batch(picture, found, range(start, stop), is_last=stop == views)

    def _embed_batch(self, batch: _Batch) -> NDArray[np.float32]:
        """Embed a batch, in any thread: (views, features) float32."""
        found = batch.found
        if isinstance(found, Exception) or found.decoded is None:
            return np.empty((0, self.backbone.width), dtype=np.float32)
        image = found.decoded.image
        return self._extractor.embed_batch(
            [
                view_of(
                    image,
                    found.content_hash,
                    number,
                    size=self.backbone.input_size,
                    seed=self._seed,
                    mirrored=self.mirrored,
                )
                for number in batch.views
            ]
        )

    def _put(
        self,
        picture: Picture,
        found: _ReadFile | PictureError | OSError,
        seen: NDArray[np.float32],
    ) -> None:
        """Put a picture with its new embeddings into the index, or remove it."""
        if isinstance(found, FileNotFoundError):
            self._dataset.remove(picture.label, [picture.key])
        elif isinstance(found, Exception):
            self._dataset.refuse(picture, describe_failure(found))
        else:
            embedded = _completed(picture, self._remember(found, seen))
            with self._dataset.changed:
                if self._crop == self._dataset.crop:
                    self._dataset.replace([(picture, embedded)])

    def _remember(self, found: _ReadFile, seen: NDArray[np.float32]) -> _ReadFile:
        """Append new embeddings, (views, features) float32, to the known ones, and cache them."""
        known, decoded = found.known, found.decoded
        if decoded is None:
            return found
        whole = PictureEmbeddings(
            seen if known is None else np.concatenate([known.embeddings, seen]),
            decoded.fingerprint,
            decoded.size,
            decoded.small,
        )
        if self._cache is not None:
            self._cache.save(found.content_hash, whole)
        return replace(found, known=whole)

    def _mirrored(self, extractor: FeatureExtractor, picture: Picture) -> PictureEmbeddings:
        size = self.backbone.input_size
        decoded = decode(self._dataset.path(picture).read_bytes(), size, self._crop)
        mirrored = np.ascontiguousarray(decoded.image[:, ::-1])
        embeddings = extractor.embed_batch([prepare(mirrored, size)])
        return PictureEmbeddings(embeddings, decoded.fingerprint, decoded.size, decoded.small)


def _mirrored_key(content_hash: str) -> str:
    """Return the cache's key of a picture's mirror image."""
    return hashlib.sha256(f"{content_hash} mirrored".encode()).hexdigest()


def view_of(
    image: BgrImage, content_hash: str, number: int, *, size: int, seed: int, mirrored: bool
) -> BgrImage:
    """Return one of the views of a picture, ready for the graph.

    Args:
        image: (height, width, 3) uint8, at least as large as the input size.
        content_hash: The sha256 of its file, in hexadecimal.
        number: 0 is the picture itself.
        size: The side of the square that the graph takes, in pixels.
        seed: For the views.
        mirrored: Whether half of the views are mirrored.

    Returns:
        (size, size, 3) uint8.
    """
    if number == 0:
        return prepare(image, size)
    generator = np.random.default_rng((seed, int(content_hash[:32], 16), number))
    return random_view(image, size, generator, _RANGE, mirrored)


def _completed(picture: Picture, found: _ReadFile) -> Picture:
    """Return a picture with what is known of its file."""
    if found.known is None:
        return replace(picture, content_hash=found.content_hash)
    return replace(
        picture,
        content_hash=found.content_hash,
        embeddings=found.known.embeddings,
        fingerprint=found.known.fingerprint,
        small=found.known.small,
        size=found.known.size,
    )
