"""The model card: what travels inside a model file besides the graph, and the graph's names."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from webcam_classifier.crop import Crop, read_crop
from webcam_classifier.errors import UserError
from webcam_classifier.visible_text import visible

MODEL_NAME = "model.onnx"
METRICS_NAME = "metrics.json"
"""The file beside a model with all its figures; see `evaluation.metrics_file`."""

REPORT_NAME = "report.html"
"""The page about a model beside it; see `report.render`."""

CARD_KEY = "webcam_classifier.card"
"""The key in the ONNX file's metadata that holds the card as JSON."""

FORMAT_VERSION = 1
INPUT_NAME = "pixels"
OUTPUT_NAME = "probabilities"
UNKNOWN_NAME = "unknown"
"""The second output, of models that can say that a picture is of none of their labels."""

NO_PICTURE = "no_picture"
"""The label of an event that says that the source gives no pictures."""

UNKNOWN_STRICT, UNKNOWN_NORMAL, UNKNOWN_OFF = "strict", "normal", "off"
UNKNOWN_LEVELS = (UNKNOWN_STRICT, UNKNOWN_NORMAL, UNKNOWN_OFF)
"""How readily a model says unknown: to all that is unlike what was recorded, only to what is unlike
a next recording as well, by other people or elsewhere, or never."""
BATCH_AXIS = "batch"
NORMALISED_EMBEDDING_NAME = "normalised_embedding"
"""The value that a head answers: an output of feature graphs, and a value within models."""

LARGEST_INPUT = 4096
"""Pixels on a side; far above what any network here takes."""

_LONGEST_CARD = 4_000_000  # characters; a thousand labels take twenty thousand
_SURROGATE = re.compile("[\ud800-\udfff]")

TRAIN_HINT = "Train a model with `python train.py`, or name another file."


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
        accuracy: Share of correct answers on test pictures, 0 to 1; None without test pictures.
        accuracy_count: How many test pictures it was measured on.
        accuracy_rests_on: How test and training pictures were kept apart, in words.
        precision: Numbers of the graph: `fp32`, `fp16`, `int8`.
        history: What was done to the graph after training, oldest first.
        names: What people call the labels, in their order; none where labels say it themselves.
        learnt_hashes: The hashes of the pictures that it was trained on, as
            `evaluation.learnt_pictures` packs them; None where the file does not say.
        unknown_threshold: The novelty score above which a picture is unknown; None where the
            graph gives no such score.
        strict_threshold: The novelty score above which a picture differs from the recordings
            themselves; None where that is not known.
        crop: The part of the camera's picture that it was trained on; None is all of it.
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
    strict_threshold: float | None = None
    crop: Crop | None = None
    learnt_hashes: str | None = None
    format_version: int = FORMAT_VERSION

    @property
    def shown_labels(self) -> tuple[str, ...]:
        """The labels as people read them, in their order; nothing in them is hidden."""
        return tuple(visible(name) for name in self.names or self.labels)

    def threshold_at(self, level: str) -> float | None:
        """The score above which a picture is unknown; None where nothing is.

        Args:
            level: One of `UNKNOWN_LEVELS`.

        Raises:
            ValueError: There is no such level.
        """
        if level not in UNKNOWN_LEVELS:
            raise ValueError(f"{level!r} is none of {', '.join(UNKNOWN_LEVELS)}")
        if level == UNKNOWN_OFF or self.unknown_threshold is None:
            return None
        if level == UNKNOWN_STRICT and self.strict_threshold is not None:
            return self.strict_threshold
        return self.unknown_threshold

    def to_json(self) -> str:
        """The card as one line of JSON, which `read_card` reads."""
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False)
        # A folder's name that is not UTF-8 has them, and no file of UTF-8 can.
        return _SURROGATE.sub(lambda one: f"\\u{ord(one[0]):04x}", text)


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
        if len(text) > _LONGEST_CARD:
            raise ValueError(f"it is {len(text)} characters long")
        fields = json.loads(text, parse_constant=_refuse_constant)
        if not isinstance(fields, dict):
            raise ValueError("it is not a JSON object")
        version = fields.get("format_version")
        if type(version) is not int or version < 1:
            raise ValueError("it has no format version")
        if version > FORMAT_VERSION:
            raise ModelError(
                f"{path} has a model card of format {version}, and this program reads up to "
                f"{FORMAT_VERSION}. Update the program, or train the model again."
            )
        known = {field.name for field in dataclasses.fields(ModelCard)}
        values: dict[str, Any] = {key: value for key, value in fields.items() if key in known}
        for name in ("labels", "history", "names"):
            values[name] = _texts(name, values.get(name, ()))
        if values.get("crop") is not None:
            values["crop"] = read_crop(values["crop"])
        card = ModelCard(**values)
        _check_fields(card)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = visible(str(error))[:200]
        raise ModelError(f"{path} has a damaged model card ({reason}). {TRAIN_HINT}") from error
    return card


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name} is not a list of texts")
    return tuple(value)


def _check_fields(card: ModelCard) -> None:
    """Refuse a card whose fields are of another type or out of range.

    Raises:
        ValueError: It is so; the text says which field.
    """
    for field in dataclasses.fields(card):
        if field.type == "str" and not isinstance(getattr(card, field.name), str):
            raise ValueError(f"{field.name} is not a text")
    if len(card.labels) < 2 or not all(card.labels):
        raise ValueError("no two labels")
    if len(set(card.labels)) < len(card.labels):
        raise ValueError("two labels are the same")
    if card.names and len(card.names) != len(card.labels):
        raise ValueError(f"{len(card.names)} names for {len(card.labels)} labels")
    if type(card.input_size) is not int or not 1 <= card.input_size <= LARGEST_INPUT:
        raise ValueError("no input size")
    _check_measured(card)


def _check_measured(card: ModelCard) -> None:
    if not _is_number(card.accuracy, 1):
        raise ValueError("the accuracy is not between 0 and 1")
    if type(card.accuracy_count) is not int or card.accuracy_count < 0:
        raise ValueError("the count of test pictures is not a count")
    for threshold in (card.unknown_threshold, card.strict_threshold):
        if not _is_number(threshold, math.inf):
            raise ValueError("the threshold of unknown is not a number")
    if not isinstance(card.learnt_hashes, str | None):
        raise ValueError("the training pictures are not a text")


def _is_number(value: object, most: float) -> bool:
    """Whether it is a finite number from 0 to `most`, or None."""
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 <= value <= most
