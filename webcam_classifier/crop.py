"""A crop: the part of the picture that is used for training and for classification."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage

CROP_HELP = (
    "use only this part of the picture: left, top, width and height, as fractions of the "
    "picture (0.25,0,0.5,1 is the middle half) or in pixels (160,0,320,480)"
)
_EXAMPLE = "0.25,0,0.5,1 is the middle half, 160,0,320,480 the same in pixels of 640."
_ROUNDING = 1e-6  # fractions of pixels that don't add up to the whole by rounding
_SMALLEST = 0.02  # of a side


@dataclass(frozen=True)
class Crop:
    """A rectangle within the picture, as fractions of its sides.

    >>> crop = Crop(0.25, 0.0, 0.5, 1.0)
    >>> import numpy
    >>> crop.of(numpy.zeros((480, 640, 3), numpy.uint8)).shape
    (480, 320, 3)

    Attributes:
        left: 0 to 1.
        top: 0 to 1.
        width: Above 0; with `left` at most 1.
        height: Above 0; with `top` at most 1.

    Raises:
        ValueError: It reaches beyond the picture, or is hardly anything of it.
    """

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        values = (self.left, self.top, self.width, self.height)
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            raise ValueError("a part of the picture is four numbers")
        if min(self.left, self.top) < 0.0 or min(self.width, self.height) < _SMALLEST:
            raise ValueError(f"it begins outside, or a side is less than {_SMALLEST:g}")
        if max(self.left + self.width, self.top + self.height) > 1.0 + _ROUNDING:
            raise ValueError("it reaches beyond the picture")

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self == WHOLE_PICTURE

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The same in pixels.

        Args:
            width: Of the picture.
            height: Likewise.

        Returns:
            Left, top, right and bottom; the last two are the first pixels outside.
        """
        left = min(width - 1, round(self.left * width))
        top = min(height - 1, round(self.top * height))
        right = min(width, max(left + 1, round((self.left + self.width) * width)))
        bottom = min(height, max(top + 1, round((self.top + self.height) * height)))
        return left, top, right, bottom

    def of(self, image: BgrImage) -> BgrImage:
        """The part of a picture; it shares the picture's memory.

        Args:
            image: (height, width, 3) uint8.
        """
        left, top, right, bottom = self.box(image.shape[1], image.shape[0])
        return image[top:bottom, left:right]

    def mirrored(self) -> Crop:
        """The same part of the picture's mirror image."""
        return Crop(max(0.0, 1.0 - self.left - self.width), self.top, self.width, self.height)

    def describe(self) -> str:
        """Say which part it is."""
        return f"a part of the picture alone: {self} (left, top, width, height)"

    def __str__(self) -> str:
        return ",".join(f"{v:.4g}" for v in (self.left, self.top, self.width, self.height))


WHOLE_PICTURE = Crop(0.0, 0.0, 1.0, 1.0)


def cropped(image: BgrImage, crop: Crop | None) -> BgrImage:
    """The part of a picture, which shares its memory; all of it where there is no crop.

    Args:
        image: (height, width, 3) uint8.
        crop: The part.
    """
    return image if crop is None else crop.of(image)


def read_crop(fields: object) -> Crop:
    """Make a crop of what was read from JSON.

    Args:
        fields: A dictionary with `left`, `top`, `width` and `height`.

    Raises:
        ValueError: It is something else, or no part of a picture.
    """
    names = [field.name for field in dataclasses.fields(Crop)]
    if not isinstance(fields, dict) or set(fields) != set(names):
        raise ValueError(f"it has to hold {', '.join(names)}")
    return Crop(*(fields[name] for name in names))


@dataclass(frozen=True)
class CropArgument:
    """A part of the picture as somebody wrote it, in fractions or in pixels.

    Attributes:
        values: Left, top, width, height.
        text: As it was written, for messages.
        option: Where it was written, for messages.
    """

    values: tuple[float, float, float, float]
    text: str
    option: str = "--crop"

    @property
    def is_in_pixels(self) -> bool:
        """Whether any value is too large for a fraction."""
        return max(self.values) > 1.0

    def within(self, width: int, height: int) -> Crop:
        """The part of pictures of a size.

        Args:
            width: In pixels.
            height: Likewise.

        Raises:
            UserError: It reaches beyond them.
        """
        left, top, wide, high = self.values
        if self.is_in_pixels:
            left, wide, top, high = left / width, wide / width, top / height, high / height
        try:
            return Crop(left, top, wide, high)
        except ValueError as error:
            raise UserError(
                f"{self.option} {self.text} is not a part of a picture of {width} x {height} "
                f"pixels: {error}. {_EXAMPLE}"
            ) from error


def parse_crop(text: str) -> CropArgument:
    """Read a part of the picture from the command line.

    Args:
        text: Four numbers with commas between them.

    Raises:
        ValueError: It is something else, or reaches beyond every picture.
    """
    try:
        left, top, width, height = (float(part) for part in text.split(","))
        values = (left, top, width, height)
        if not all(map(math.isfinite, values)):
            raise ValueError(text)
    except ValueError:
        raise ValueError(f"{text!r} is not LEFT,TOP,WIDTH,HEIGHT: {_EXAMPLE}") from None
    found = CropArgument(values, text)
    if min(values) < 0.0 or min(width, height) == 0.0:
        raise ValueError(f"{text!r} is not a part of a picture: {_EXAMPLE}")
    if not found.is_in_pixels:
        try:
            Crop(*values)
        except ValueError as error:
            raise ValueError(f"{text!r} is not a part of a picture: {error}. {_EXAMPLE}") from None
    return found
