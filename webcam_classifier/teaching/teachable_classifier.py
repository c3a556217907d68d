"""A classifier whose head, and with it the labels, may change between two frames."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from webcam_classifier.backbone.feature_graph import NORMALISED_EMBEDDING_NAME
from webcam_classifier.cache_folder import cache_folder
from webcam_classifier.frame import BgrImage
from webcam_classifier.head.discriminant import LinearHead
from webcam_classifier.head.novelty import UNKNOWN_FROM, Novelty
from webcam_classifier.prediction import Prediction
from webcam_classifier.preprocess import prepare
from webcam_classifier.runtime.providers import ExecutionConfig
from webcam_classifier.runtime.session import open_session
from webcam_classifier.storage import write_atomically

_NOTHING = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class TaughtHead:
    """What answers an embedding; it never changes, a new one takes its place.

    Attributes:
        labels: Two or more, in the order of the head.
        head: Fitted on embeddings of these labels.
        novelty: Tells what is of none of them; None before that is known.
    """

    labels: tuple[str, ...]
    head: LinearHead
    novelty: Novelty | None

    def answer(self, embedding: NDArray[np.float32]) -> Prediction:
        """Give the prediction that a model file with this head would give.

        Args:
            embedding: (1, features) float32.
        """
        logits = self.head.logits(embedding)[0]
        likelihoods = np.exp(logits - logits.max())
        score = None if self.novelty is None else float(self.novelty.scores(embedding)[0])
        return Prediction(
            self.labels,
            np.asarray(likelihoods / likelihoods.sum(), dtype=np.float32),
            score,
            None if score is None else UNKNOWN_FROM,
        )


class TeachableClassifier:
    """Answers with the head that was taught last; before there is one, with no labels at all.

    What runs is the frozen network, in whatever runs models here; the head is a few thousand
    multiplications. To change it is to assign `taught`, which no frame waits for.

    Args:
        features: The file of a graph from `pixels` to the unit embedding, its only output.
        input_size: The side of the square that it takes, in pixels.
        runtime: What runs it.

    Raises:
        ModelError: The file can't be used.
        ProviderError: The runtime can't be had.
    """

    def __init__(self, features: Path, input_size: int, runtime: ExecutionConfig) -> None:
        self.taught: TaughtHead | None = None
        self.input_size = input_size
        self._session = open_session(features, runtime)
        self._last: tuple[Prediction, NDArray[np.float32]] | None = None

    @property
    def runtime(self) -> str:
        """What runs the graph, with its version, for a person."""
        return f"onnxruntime {onnxruntime.__version__} {self._session.runtime.describe()}"

    def prepare(self, image: BgrImage) -> BgrImage:
        """Resize a picture to what the graph takes.

        Args:
            image: (height, width, 3) uint8, blue green red.

        Returns:
            (input_size, input_size, 3) uint8.
        """
        return prepare(image, self.input_size)

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Answer about a prepared picture.

        Args:
            prepared: (input_size, input_size, 3) uint8, from `prepare`.

        Returns:
            Without labels and probabilities as long as nothing is taught.
        """
        embedding = self._session.run(prepared[np.newaxis])[NORMALISED_EMBEDDING_NAME]
        taught = self.taught
        prediction = Prediction((), _NOTHING) if taught is None else taught.answer(embedding)
        self._last = (prediction, embedding)
        return prediction

    def embedding_of(self, prediction: Prediction) -> NDArray[np.float32] | None:
        """Give what the last prediction was made from, (1, features); None for any other.

        Args:
            prediction: As this classifier gave it.
        """
        if self._last is None or self._last[0] is not prediction:
            return None
        return self._last[1]

    def warm_up(self) -> None:
        """Run the graph once on a grey picture: the first run of a session is a slow one."""
        grey = np.full((self.input_size, self.input_size, 3), 127, dtype=np.uint8)
        self._session.run(grey[np.newaxis])


def feature_file(features: onnx.ModelProto) -> Path:
    """Give the file of a graph, which runtimes open; it is written where it is not there yet.

    Args:
        features: From `pixels` to the unit embedding.

    Raises:
        UserError: The cache folder can't be written.
    """
    content = features.SerializeToString(deterministic=True)
    name = f"unit-{hashlib.sha256(content).hexdigest()[:24]}.onnx"
    path = cache_folder() / "features" / name
    if not path.is_file() or path.stat().st_size != len(content):
        write_atomically(path, content)
    return path
