"""Check the inputs and outputs of a model file when it is opened, and each of its answers.

A file from elsewhere may hold any graph. Its answers are shown, stored and counted only if they
are what its card promises: probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webcam_classifier.model_card import (
    INPUT_NAME,
    NORMALISED_EMBEDDING_NAME,
    OUTPUT_NAME,
    TRAIN_HINT,
    UNKNOWN_NAME,
    ModelCard,
    ModelError,
)
from webcam_classifier.runtime.session import ModelSession

_SUM_WITHIN = 0.02  # of 1; a softmax in 8-bit steps is off by up to half of that
_RANGE_WITHIN = 0.001  # below 0
_FLOATS = ("tensor(float)", "tensor(float16)")


def check_graph(session: ModelSession, card: ModelCard, path: Path) -> None:
    """Refuse a graph whose inputs and outputs are not what the card of its file says.

    Args:
        session: The opened file.
        card: The file's card.
        path: The file, for the message.

    Raises:
        ModelError: An input or output is missing or has a wrong type or shape, or there is more
            than one input.
    """
    inputs, outputs, types = session.inputs, session.outputs, session.types
    if INPUT_NAME not in inputs or OUTPUT_NAME not in outputs:
        raise ModelError(
            f"{path} has a model card but not the input {INPUT_NAME!r} and the output "
            f"{OUTPUT_NAME!r} that belong to it. {TRAIN_HINT}"
        )
    if card.unknown_threshold is not None and UNKNOWN_NAME not in outputs:
        raise ModelError(
            f"{path} has a threshold in its card but not the output {UNKNOWN_NAME!r} "
            f"that belongs to it. {TRAIN_HINT}"
        )
    size, labels = card.input_size, len(card.labels)
    shape, answers = inputs[INPUT_NAME], outputs[OUTPUT_NAME]
    if tuple(shape[1:]) != (size, size, 3) or answers[-1:] not in ((labels,), (None,)):
        raise ModelError(
            f"{path}: the card says {labels} labels at {size} pixels, but the graph takes "
            f"{tuple(shape)} and gives {answers[-1] if answers else 'no'} values. {TRAIN_HINT}"
        )
    wrong_types = [
        name
        for name in (OUTPUT_NAME, UNKNOWN_NAME, NORMALISED_EMBEDDING_NAME)
        if name in outputs and types[name] not in _FLOATS
    ]
    if len(inputs) > 1 or types[INPUT_NAME] != "tensor(uint8)" or wrong_types:
        raise ModelError(
            f"{path} takes or gives values of another kind than a model of this program: pixels "
            f"in 8 bits, and probabilities. {TRAIN_HINT}"
        )


def check_answer(found: Mapping[str, NDArray[Any]], labels: int, path: Path) -> None:
    """Refuse outputs that are no valid answer.

    Args:
        found: The graph's outputs for one picture by name; any may be missing.
        labels: How many labels there are.
        path: The model file, for the message.

    Raises:
        ModelError: The probabilities are not one for each label, at least 0 and with a sum of 1;
            or the score of unknown or the embedding is not finite.
    """
    probabilities = found.get(OUTPUT_NAME)
    if probabilities is not None and not (
        probabilities.shape == (1, labels)
        and abs(float(probabilities.sum(dtype=np.float64)) - 1.0) <= _SUM_WITHIN  # false for NaN
        and float(probabilities.min()) >= -_RANGE_WITHIN
    ):
        raise ModelError(
            f"{path} does not answer with probabilities: its values do not add up to 1. "
            f"{TRAIN_HINT}"
        )
    score = found.get(UNKNOWN_NAME)
    if score is not None and not (score.size == 1 and not np.isnan(score).any()):
        raise ModelError(f"{path} gives a score of unknown that is not a number. {TRAIN_HINT}")
    seen = found.get(NORMALISED_EMBEDDING_NAME)
    if seen is not None and not (seen.ndim == 2 and len(seen) == 1 and np.isfinite(seen).all()):
        raise ModelError(f"{path} gives an embedding that is not a row of numbers. {TRAIN_HINT}")
