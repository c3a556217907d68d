"""A taught model: its card, its predictions, and the classifier that runs it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.preprocess import prepare
from webcam_classifier.runtime.execution_provider import ON_ALL_CORES, Runtime
from webcam_classifier.runtime.inference_session import ModelSession, open_model

CARD_KEY = "webcam_classifier.card"
"""The key in the ONNX file's metadata that holds the card as JSON."""

FORMAT_VERSION = 1
INPUT_NAME = "pixels"
OUTPUT_NAME = "probabilities"
UNKNOWN_NAME = "unknown"
"""The second output, of models that can say that a picture is of none of their labels."""
BATCH_AXIS = "batch"

_TEACH_HINT = "Teach a model with `python train.py`, or name another file."


class ModelError(UserError):
    """A model file can't be used."""


@dataclass(frozen=True)
class ModelCard:
    """What travels inside the model file besides the graph.

    Attributes:
        labels: The names of the graph's outputs, in their order.
        input_size: The side of the square picture that the graph takes, in pixels.
        backbone: The network that gives the features, by its torchvision name.
        mode: How it was taught: `head` or `finetune`.
        weights: Where the pretrained weights came from, with a content hash.
        created_at: UTC time of teaching, ISO 8601.
        dataset: The folder that it was taught with, as the user named it.
        data_hash: sha256 over the names and contents of all pictures of that folder.
        accuracy: Share of right answers on test pictures, 0 to 1; None where none were left.
        accuracy_count: How many test pictures that rests on.
        accuracy_rests_on: What kept test pictures apart from training, in words.
        precision: Numbers of the graph: `fp32`, `fp16`, `int8`.
        history: What was done to the graph after teaching, oldest first.
        names: What people call the labels, in their order; none where labels say it themselves.
        unknown_threshold: The score above which a picture is of none of the labels; None where
            the graph gives no such score.
        format_version: Of this card; a newer one is refused by older programs.
    """

    labels: tuple[str, ...]
    input_size: int
    backbone: str
    mode: str
    weights: str
    created_at: str
    dataset: str
    data_hash: str
    accuracy: float | None = None
    accuracy_count: int = 0
    accuracy_rests_on: str = ""
    precision: str = "fp32"
    history: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    unknown_threshold: float | None = None
    format_version: int = FORMAT_VERSION

    @property
    def shown_labels(self) -> tuple[str, ...]:
        """The labels as people read them, in their order."""
        return self.names or self.labels

    def to_json(self) -> str:
        """Give the card as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)


def read_card(text: str, path: Path) -> ModelCard:
    """Read a card from the JSON in a model file's metadata.

    Fields that this version does not know are passed over, as long as the format version is not
    newer than ours.

    Args:
        text: The JSON.
        path: The model file, for the messages.

    Raises:
        ModelError: The text is damaged, or of a newer format.
    """
    try:
        fields: dict[str, Any] = json.loads(text)
        version = fields["format_version"]
        if version > FORMAT_VERSION:
            raise ModelError(
                f"{path} has a model card of format {version}, and this program reads up to "
                f"{FORMAT_VERSION}. Update the program, or teach the model again."
            )
        known = {field.name for field in dataclasses.fields(ModelCard)}
        values = {key: value for key, value in fields.items() if key in known}
        values["labels"] = tuple(str(label) for label in values["labels"])
        values["history"] = tuple(str(step) for step in values.get("history", ()))
        values["names"] = tuple(str(name) for name in values.get("names", ()))
        card = ModelCard(**values)
        if len(card.labels) < 2 or not isinstance(card.input_size, int) or card.input_size < 1:
            raise ValueError("no two labels or no input size")
        if not isinstance(card.unknown_threshold, int | float | None):
            raise ValueError("the threshold of unknown is no number")
        if card.names and len(card.names) != len(card.labels):
            raise ValueError(f"{len(card.names)} names for {len(card.labels)} labels")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path} has a damaged model card ({error}). {_TEACH_HINT}") from error
    return card


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about one picture.

    Attributes:
        labels: All labels, in the model's order.
        probabilities: (labels,) float32, they sum to 1.
        unknown_score: How unlike everything that was shown it is; None where the model can't say.
        unknown_threshold: The score above which it is of none of the labels; None tells nothing.
        names: What people call the labels; none where labels say it themselves.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    unknown_score: float | None = None
    unknown_threshold: float | None = None
    names: tuple[str, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """Whether it is probably of none of the labels; `label` is the likeliest all the same."""
        if self.unknown_score is None or self.unknown_threshold is None:
            return False
        return not self.unknown_score <= self.unknown_threshold  # what is no number is unknown

    @property
    def label(self) -> str:
        """The likeliest label."""
        return self.labels[int(np.argmax(self.probabilities))]

    @property
    def shown_label(self) -> str:
        """The likeliest label as people read it."""
        return self.top_shown(1)[0][0]

    @property
    def confidence(self) -> float:
        """The probability of the likeliest label, 0 to 1."""
        return float(np.max(self.probabilities))

    def top(self, count: int) -> list[tuple[str, float]]:
        """Give the likeliest labels with their probabilities, best first.

        Args:
            count: How many at the most.
        """
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.labels[index], float(self.probabilities[index])) for index in order]

    def top_shown(self, count: int) -> list[tuple[str, float]]:
        """Give what `top` gives, with the labels as people read them."""
        shown = dict(zip(self.labels, self.names or self.labels, strict=True))
        return [(shown[label], probability) for label, probability in self.top(count)]


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
        self, path: Path, runtime: Runtime = ON_ALL_CORES, tells_unknown: bool = True
    ) -> None:
        self.path = path
        self._session = open_session(path, runtime)
        metadata = self._session.metadata
        if CARD_KEY not in metadata:
            raise ModelError(
                f"{path} is an ONNX file without a model card, so its labels and its input are "
                f"unknown. {_TEACH_HINT}"
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
                f"{OUTPUT_NAME!r} that belong to it. {_TEACH_HINT}"
            )
        if self.card.unknown_threshold is not None and UNKNOWN_NAME not in outputs:
            raise ModelError(
                f"{self.path} has a threshold in its card but not the output {UNKNOWN_NAME!r} "
                f"that belongs to it. {_TEACH_HINT}"
            )
        shape, classes = inputs[INPUT_NAME], outputs[OUTPUT_NAME][-1]
        if shape[1:] != (size, size, 3) or classes not in (len(self.card.labels), None):
            raise ModelError(
                f"{self.path}: the card says {len(self.card.labels)} labels at {size} pixels, but "
                f"the graph takes {shape} and gives {classes} values. {_TEACH_HINT}"
            )


def open_session(path: Path, runtime: Runtime) -> ModelSession:
    """Open an ONNX file.

    Args:
        path: The file.
        runtime: What runs it.

    Raises:
        ModelError: The file is missing, empty, damaged, or not ONNX.
        ProviderError: The runtime can't be had.
    """
    if not path.is_file():
        raise ModelError(f"There is no model file {path}. {_TEACH_HINT}")
    if path.stat().st_size == 0:
        raise ModelError(f"{path} is empty (0 bytes). {_TEACH_HINT}")
    try:
        return open_model(path, runtime)
    except UserError:
        raise
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelError(f"{path} is not a whole ONNX file ({reason}). {_TEACH_HINT}") from error


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
        raise ModelError(f"There is no model.onnx in the folder {path}. {_TEACH_HINT}")
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
        raise ModelError(f"There is no model under {folder}/ yet. {_TEACH_HINT}")
    return models[-1]
