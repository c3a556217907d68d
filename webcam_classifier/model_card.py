"""The model card: what travels inside a model file besides the graph, and the graph's names."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webcam_classifier.crop import Crop, read_crop
from webcam_classifier.errors import UserError

MODEL_NAME = "model.onnx"
METRICS_NAME = "metrics.json"
"""The file beside a model with all its figures; see `evaluation.metrics_file`."""

CARD_KEY = "webcam_classifier.card"
"""The key in the ONNX file's metadata that holds the card as JSON."""

FORMAT_VERSION = 1
INPUT_NAME = "pixels"
OUTPUT_NAME = "probabilities"
UNKNOWN_NAME = "unknown"
"""The second output, of models that can say that a picture is of none of their labels."""
BATCH_AXIS = "batch"
NORMALISED_EMBEDDING_NAME = "normalised_embedding"
"""The value that a head answers: an output of feature graphs, and a value within models."""

TRAIN_HINT = "Teach a model with `python train.py`, or name another file."


class ModelError(UserError):
    """A model file can't be used."""


@dataclass(frozen=True)
class ModelCard:
    """What travels inside the model file besides the graph.

    >>> from pathlib import Path
    >>> from webcam_classifier import Classifier, ModelCard
    >>> card: ModelCard = Classifier(Path("models/colours/model.onnx")).card
    >>> card.labels, card.input_size, card.precision
    (('blue', 'green', 'red'), 32, 'fp32')

    Attributes:
        labels: The names of the graph's outputs, in their order; two at least.
        input_size: The side of the square picture that the graph takes, in pixels; 1 at least.
        backbone: The network that gives the features, by its torchvision name.
        mode: How it was trained: `head` or `finetune`.
        weights: Where the pretrained weights came from, with a content hash.
        created_at: UTC time of training, ISO 8601.
        dataset: The folder that it was trained with, as the user named it.
        data_hash: sha256 over the names and contents of all pictures of that folder.
        accuracy: Share of right answers on test pictures, 0 to 1; None where none were left.
        accuracy_count: How many test pictures that rests on.
        accuracy_rests_on: What kept test pictures apart from training, in words.
        precision: Numbers of the graph: `fp32`, `fp16`, `int8`.
        history: What was done to the graph after training, oldest first.
        names: What people call the labels, in their order; none where labels say it themselves.
        learnt_hashes: The contents of the pictures that it learnt from, as
            `evaluation.learnt_pictures` packs them; None where the file does not say.
        unknown_threshold: The score above which a picture is of none of the labels; None where
            the graph gives no such score.
        crop: The part of the camera's picture that it was taught; None is all of it.
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
    crop: Crop | None = None
    learnt_hashes: str | None = None
    format_version: int = FORMAT_VERSION

    @property
    def shown_labels(self) -> tuple[str, ...]:
        """The labels as people read them, in their order."""
        return self.names or self.labels

    def to_json(self) -> str:
        """The card as one line of JSON, which `read_card` reads."""
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
        if values.get("crop") is not None:
            values["crop"] = read_crop(values["crop"])
        card = ModelCard(**values)
        if len(card.labels) < 2 or not isinstance(card.input_size, int) or card.input_size < 1:
            raise ValueError("no two labels or no input size")
        if not isinstance(card.unknown_threshold, int | float | None):
            raise ValueError("the threshold of unknown is no number")
        if not isinstance(card.learnt_hashes, str | None):
            raise ValueError("the pictures that it learnt from are no text")
        if card.names and len(card.names) != len(card.labels):
            raise ValueError(f"{len(card.names)} names for {len(card.labels)} labels")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path} has a damaged model card ({error}). {TRAIN_HINT}") from error
    return card
