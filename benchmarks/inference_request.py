"""What all ways share: names of files, the request, and the preprocessing of most examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MODEL, INTEGER_MODEL, PLAIN = "model.onnx", "model.int8.onnx", "plain.onnx"
NCNN_NAME, LITERT_FILE = "plain.ncnn", "plain.tflite"
STATE = "squeezenet1_1.safetensors"
SIZE = 224  # pixels
MEAN = (0.485, 0.456, 0.406)  # red, green, blue, of pixels scaled to 0..1
DEVIATION = (0.229, 0.224, 0.225)  # red, green, blue

Image = NDArray[np.uint8]
Probabilities = NDArray[Any]
Classify = Callable[[Image], Probabilities]


@dataclass(frozen=True)
class Request:
    """What a way is made from.

    Attributes:
        folder: Holds the files above.
        variant: Of the way, such as `compiled`.
        threads: Of the processor; 0 is the runtime's own choice.
    """

    folder: Path
    variant: str
    threads: int


def numpy_pixels(frame: Image) -> NDArray[np.float32]:
    """Resize, swap, scale and normalise with numpy, as most examples do; (1, 3, size, size)."""
    resized = cv2.resize(frame, (SIZE, SIZE))
    scaled = resized[:, :, ::-1].astype(np.float32) / 255.0
    normalised = (scaled - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))[np.newaxis]
