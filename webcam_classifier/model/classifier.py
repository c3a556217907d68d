"""Run a model file on pictures, with the one preprocessing that training used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from webcam_classifier.frame import BgrImage
from webcam_classifier.model_card import (
    CARD_KEY,
    INPUT_NAME,
    OUTPUT_NAME,
    TRAIN_HINT,
    UNKNOWN_NAME,
    ModelError,
    read_card,
)
from webcam_classifier.prediction import Prediction
from webcam_classifier.preprocess import prepare
from webcam_classifier.runtime.providers import ON_ALL_CORES, ExecutionConfig
from webcam_classifier.runtime.session import open_session


class Classifier:
    """Runs a model file on pictures, with the one preprocessing that training used.

    One thread at a time may use it: it prepares all pictures in one place.

    >>> classifier = Classifier(Path("models/thumbs/model.onnx"))
    >>> classifier.classify(image).label
    'thumbs_up'

    Args:
        path: A model file with a card, as `train.py` and `export` write it.
        runtime: What runs it, such as `runtime_choice.choose_runtime` gives.
        tells_unknown: Whether a picture may be of none of the labels; False always settles for
            one of them.

    Raises:
        ModelError: The file is missing, empty, damaged, not ONNX, or has no card.
        ProviderError: The runtime can't be had.
    """

    def __init__(
        self, path: Path, runtime: ExecutionConfig = ON_ALL_CORES, tells_unknown: bool = True
    ) -> None:
        self.path = path
        self._session = open_session(path, runtime)
        metadata = self._session.metadata
        if CARD_KEY not in metadata:
            raise ModelError(
                f"{path} is an ONNX file without a model card, so its labels and its input are "
                f"unknown. {TRAIN_HINT}"
            )
        self.card = read_card(metadata[CARD_KEY], path)
        self._check_graph()
        size = self.card.input_size
        self._place = np.empty((size, size, 3), dtype=np.uint8)  # for each picture in turn
        self._unknown_threshold = self.card.unknown_threshold if tells_unknown else None

    @property
    def runtime(self) -> str:
        """What runs the graph, with its version, for a person."""
        return f"onnxruntime {onnxruntime.__version__} {self._session.runtime.describe()}"

    def classify(self, image: BgrImage) -> Prediction:
        """Say what is on a picture of any size.

        Args:
            image: (height, width, 3) uint8, blue green red.
        """
        return self.classify_prepared(self.prepare(image))

    def prepare(self, image: BgrImage) -> BgrImage:
        """Resize a picture to what the graph takes: the first half of `classify`.

        Args:
            image: (height, width, 3) uint8, blue green red.

        Returns:
            (input_size, input_size, 3) uint8, which the next call overwrites.
        """
        return prepare(image, self.card.input_size, self._place)

    def classify_prepared(self, prepared: BgrImage) -> Prediction:
        """Run the graph on a prepared picture: the second half of `classify`.

        Args:
            prepared: (input_size, input_size, 3) uint8, from `prepare`.
        """
        found = self._session.run(prepared[np.newaxis])
        score = float(found[UNKNOWN_NAME][0]) if UNKNOWN_NAME in found else None
        return Prediction(
            self.card.labels,
            found[OUTPUT_NAME][0],
            score,
            self._unknown_threshold,
            self.card.names,
        )

    def warm_up(self) -> None:
        """Run the graph once on a grey picture: the first run of a session is a slow one."""
        size = self.card.input_size
        self.classify_prepared(np.full((size, size, 3), 127, dtype=np.uint8))

    def _check_graph(self) -> None:
        inputs, outputs = self._session.inputs, self._session.outputs
        size = self.card.input_size
        if INPUT_NAME not in inputs or OUTPUT_NAME not in outputs:
            raise ModelError(
                f"{self.path} has a model card but not the input {INPUT_NAME!r} and the output "
                f"{OUTPUT_NAME!r} that belong to it. {TRAIN_HINT}"
            )
        if self.card.unknown_threshold is not None and UNKNOWN_NAME not in outputs:
            raise ModelError(
                f"{self.path} has a threshold in its card but not the output {UNKNOWN_NAME!r} "
                f"that belongs to it. {TRAIN_HINT}"
            )
        shape, classes = inputs[INPUT_NAME], outputs[OUTPUT_NAME][-1]
        if shape[1:] != (size, size, 3) or classes not in (len(self.card.labels), None):
            raise ModelError(
                f"{self.path}: the card says {len(self.card.labels)} labels at {size} pixels, but "
                f"the graph takes {shape} and gives {classes} values. {TRAIN_HINT}"
            )


def find_model(path: Path) -> Path:
    """Give the model file that a user means by a file or by the folder that it was taught into.

    Args:
        path: `models/NAME/model.onnx` or `models/NAME`.

    Raises:
        ModelError: It is a folder without a model in it.
    """
    if not path.is_dir():
        return path
    if not (path / "model.onnx").is_file():
        raise ModelError(f"There is no model.onnx in the folder {path}. {TRAIN_HINT}")
    return path / "model.onnx"


def newest_model(folder: Path) -> Path:
    """Find the model that was taught last.

    Args:
        folder: Where the models are, each as `NAME/model.onnx`.

    Raises:
        ModelError: There is none.
    """
    models = sorted(folder.glob("*/model.onnx"), key=lambda path: path.stat().st_mtime)
    if not models:
        raise ModelError(f"There is no model under {folder}/ yet. {TRAIN_HINT}")
    return models[-1]
