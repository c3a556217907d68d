"""Run a model file on pictures, with the one preprocessing that training used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.crop import cropped
from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import (
    NORMALISED_EMBEDDING_NAME,
    OUTPUT_NAME,
    TRAIN_HINT,
    UNKNOWN_NAME,
    UNKNOWN_NORMAL,
    ModelCard,
    ModelError,
)
from webcam_classifier.prediction import Prediction
from webcam_classifier.preprocess import prepare
from webcam_classifier.runtime.error_summary import summarise_error
from webcam_classifier.runtime.graph_contract import check_answer, check_graph
from webcam_classifier.runtime.providers import ON_ALL_CORES, ExecutionConfig
from webcam_classifier.runtime.runners import Values
from webcam_classifier.runtime.session import ModelSession, card_in, open_session
from webcam_classifier.runtime.untrusted_model import check_untrusted_model
from webcam_classifier.storage import recover_folder

_NOTHING = np.zeros(0, dtype=np.float32)


class Head(Protocol):
    """Classifies embeddings, such as `head.fitted_head.FittedHead`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it can give."""

    def answer(self, embedding: NDArray[np.float32]) -> Prediction:
        """Classify a normalised embedding, (features,) float32."""

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits of normalised embeddings: (pictures, features) to (pictures, labels)."""


class Classifier:
    """Runs a model file on pictures, with the one preprocessing that training used.

    One thread at a time may use it, because all pictures are prepared in the same buffer.

    >>> from pathlib import Path
    >>> from webcam_classifier import Classifier, read_picture
    >>> classifier = Classifier(Path("models/colours/model.onnx"))
    >>> classifier.classify(read_picture(Path("photo.jpg"))).label
    'red'

    Args:
        path: A model file with a card, as `train.py` and `export` write it.
        runtime: How to run it, such as from `runtime.choice.choose_runtime`.
        unknown: How readily it answers unknown, one of `model_card.UNKNOWN_LEVELS`.

    Attributes:
        path: Of the model file.
        card: The card in it.
        crop: The part of a picture that is classified; None is all of it. It is the card's unless
            another one is assigned, which any thread may do. The crop with which a picture was
            prepared is in `Prediction.crop`.
        head: Classifies instead of the model's own head, if the graph has the normalised embedding
            as an output; None uses the model's own. Any thread may assign it.

    Raises:
        ModelError: The file is missing, empty, damaged, not ONNX, or has no card.
        ProviderError: The runtime is not available.
        ValueError: There is no such level of `unknown`.
    """

    def __init__(
        self,
        path: Path,
        runtime: ExecutionConfig = ON_ALL_CORES,
        unknown: str = UNKNOWN_NORMAL,
    ) -> None:
        check_untrusted_model(path)
        session = open_session(path, runtime)
        card = card_in(session, path)
        check_graph(session, card, path)
        self._set_up(path, session, card, unknown)

    @classmethod
    def of_features(
        cls, path: Path, card: ModelCard, runtime: ExecutionConfig = ON_ALL_CORES
    ) -> Classifier:
        """Return a classifier of a feature graph, which has no labels until a head is assigned.

        Args:
            path: The file of a graph from `pixels` to the normalised embedding.
            card: With the size of the pictures, and without labels.
            runtime: How to run the graph.

        Raises:
            ModelError: The file can't be used.
            ProviderError: The runtime is not available.
        """
        classifier = cls.__new__(cls)
        classifier._set_up(path, open_session(path, runtime), card, UNKNOWN_NORMAL)
        return classifier

    def _set_up(self, path: Path, session: ModelSession, card: ModelCard, unknown: str) -> None:
        self.path = path
        self.card = card
        self.crop = card.crop
        self._prepared_crop = card.crop
        self.head: Head | None = None
        self._session = session
        self._place = np.empty((card.input_size, card.input_size, 3), dtype=np.uint8)
        self._unknown_threshold = card.threshold_at(unknown)

    @property
    def runtime(self) -> str:
        """The library with its version and the runtime, described for the user."""
        return f"{self._session.library} {self._session.runtime.describe()}"

    def classify(self, image: BgrImage) -> Prediction:
        """Classify a picture of any size.

        Args:
            image: (height, width, 3) uint8, blue green red.

        Raises:
            ValueError: The picture is of another shape or dtype, or has no pixels.
        """
        return self.classify_prepared(self.prepare(image))

    def prepare(self, image: BgrImage) -> BgrImage:
        """Crop and resize a picture for the graph: the first half of `classify`.

        Args:
            image: (height, width, 3) uint8, blue green red.

        Returns:
            (input_size, input_size, 3) uint8, which the next call overwrites.

        Raises:
            ValueError: The picture is of another shape or dtype, or has no pixels.
        """
        crop = self._prepared_crop = self.crop
        return prepare(cropped(image, crop), self.card.input_size, self._place)

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Run the graph on a prepared picture: the second half of `classify`.

        Args:
            prepared: (input_size, input_size, 3) uint8, from `prepare`.

        Raises:
            ModelError: The graph fails, or its outputs are no probabilities.
        """
        found = self._run(self._session, prepared)
        head = self.head
        embedding = found.get(NORMALISED_EMBEDDING_NAME)
        seen = None if embedding is None else embedding[0]
        if head is not None and seen is not None:
            return replace(head.answer(seen), crop=self._prepared_crop)
        if OUTPUT_NAME not in found:
            return Prediction((), _NOTHING, embedding=seen, crop=self._prepared_crop)
        score = float(found[UNKNOWN_NAME].reshape(-1)[0]) if UNKNOWN_NAME in found else None
        return Prediction(
            self.card.labels,
            found[OUTPUT_NAME][0],
            score,
            self._unknown_threshold,
            self.card.names,
            seen,
            self._prepared_crop,
        )

    def warm_up(self) -> None:
        """Run the graph once on a grey picture, because the first run of a session is slow."""
        self.classify_prepared(self._grey_picture())

    def change_runtime(self, runtime: ExecutionConfig) -> None:
        """Run the same file on another runtime from the next picture on; any thread may call it.

        The new session is opened and warmed up before it replaces the present one. No picture waits
        for it, and a picture that is being classified is not affected. After an error the present
        runtime stays.

        Args:
            runtime: How to run the file; its answers must have been compared before.

        Raises:
            ModelError: The file has changed since it was opened, or can't be run.
            ProviderError: The runtime is not available.
        """
        check_untrusted_model(self.path)
        session = open_session(self.path, runtime)
        if card_in(session, self.path) != self.card:
            raise ModelError(
                f"{self.path} is another model than the one that runs. Start again to run it."
            )
        self._run(session, self._grey_picture())
        self._session = session

    def _run(self, session: ModelSession, prepared: BgrImage) -> Values:
        try:
            found = session.run(prepared[np.newaxis])
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            reason = summarise_error(error)
            raise ModelError(f"{self.path} could not be run ({reason}). {TRAIN_HINT}") from error
        check_answer(found, len(self.card.labels), self.path)
        return found

    def _grey_picture(self) -> BgrImage:
        size = self.card.input_size
        return np.full((size, size, 3), 127, dtype=np.uint8)


def find_model(path: Path) -> Path:
    """Return the model file for a path that may be the folder it was trained into.

    >>> from pathlib import Path
    >>> from webcam_classifier import find_model
    >>> find_model(Path("models/colours")).as_posix()
    'models/colours/model.onnx'

    Args:
        path: `models/NAME/model.onnx` or `models/NAME`.

    Returns:
        The file in the folder; a path that is not a folder is returned as it is, even if nothing
        is there.

    Raises:
        ModelError: It is a folder without a model in it.
    """
    recover_folder(path if path.is_dir() else path.parent)
    if not path.is_dir():
        return path
    if (path / "card.json").is_file() and not (path / "model.onnx").is_file():
        raise ModelError(
            f"{path} is an export for another program. Name the model that it was made from."
        )
    if not (path / "model.onnx").is_file():
        raise ModelError(f"There is no model.onnx in the folder {path}. {TRAIN_HINT}")
    return path / "model.onnx"


def newest_model(folder: Path) -> Path:
    """Return the most recently written model file of a folder.

    Args:
        folder: With models as `NAME/model.onnx`.

    Returns:
        The file.

    Raises:
        ModelError: There is none.
    """
    models = sorted(folder.glob("*/model.onnx"), key=lambda path: path.stat().st_mtime)
    if not models:
        raise ModelError(f"There is no model under {folder}/ yet. {TRAIN_HINT}")
    return models[-1]
