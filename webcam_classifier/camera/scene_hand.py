"""The drawn hand of the simulated camera: a fist with its thumb up or down, on a sleeved arm."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from webcam_classifier.frame import BgrImage

Mask = NDArray[np.float32]  # (height, width), 0 outside to 1 inside
Colour = tuple[float, float, float]  # blue, green, red, 0 to 255
Point = tuple[float, float]  # x, y in units; the fist is one unit wide, its middle at 0, 0

UNIT = 110  # pixels of the sprite
CENTRE = (int(1.0 * UNIT), int(1.6 * UNIT))  # x, y of the fist's middle in the sprite, pixels
_WIDTH, _HEIGHT = int(7.4 * UNIT), int(3.2 * UNIT)
_LIGHT = np.array([-0.45, -0.65, 0.6]) / np.linalg.norm([-0.45, -0.65, 0.6])  # from top left
_SHADOW = 0.45  # how dark one part makes the next where they touch

# Tones from pale to dark; hands of all people are to be recognised.
SKIN_TONES: tuple[Colour, ...] = (
    (150, 184, 238),
    (128, 166, 224),
    (102, 144, 206),
    (76, 116, 178),
    (54, 88, 144),
    (44, 68, 112),
)

# Each finger as a line with a radius at either end: the index first, the little finger last.
_FINGERS = (
    ((-0.36, -0.33), (0.16, -0.30), 0.150, 0.135),
    ((-0.42, -0.09), (0.17, -0.06), 0.155, 0.140),
    ((-0.38, 0.15), (0.15, 0.17), 0.145, 0.130),
    ((-0.29, 0.37), (0.10, 0.37), 0.125, 0.115),
)
_THUMB = ((0.20, -0.16), (0.06, -0.58), (0.09, -1.02))
_THUMB_RADII = (0.250, 0.178, 0.142)


@dataclass(frozen=True, eq=False)
class Sprite:
    """The hand, ready to be laid over a picture.

    Attributes:
        colours: (height, width, 3), multiplied by how opaque each pixel is.
        see_through: (height, width, 3), 255 where the picture below shows unchanged.
    """

    colours: BgrImage
    see_through: BgrImage


def draw_hand(thumb_is_up: bool, skin: Colour, sleeve: Colour) -> Sprite:
    """Draw the hand of an arm that comes in from the right.

    Args:
        thumb_is_up: Else it points down: the same hand turned over, in the same light.
        skin: Its tone.
        sleeve: The colour of the clothes.
    """
    painter = _Painter(1.0 if thumb_is_up else -1.0)
    wrist, elbow = (0.95, 0.16), (6.5, 0.75)
    painter.add([(0.30, 0.05), wrist, (2.2, 0.28)], (0.42, 0.31, 0.38), skin)
    painter.add([(0.9, 0.14), elbow], (0.44, 0.64), _darker(sleeve, 0.85), cut_at=1.50)  # the cuff
    painter.add([(0.9, 0.14), elbow], (0.42, 0.66), sleeve, cut_at=1.74)
    painter.add([(-0.12, -0.20), (-0.10, 0.26), (0.34, 0.16)], (0.36, 0.34, 0.40), skin)
    painter.add(_THUMB, _THUMB_RADII, skin)
    for knuckle, tip, at_knuckle, at_tip in reversed(_FINGERS):
        painter.add([knuckle, tip], (at_knuckle, at_tip), skin)
    # The ball of the thumb lies over the fingertips.
    painter.add([(0.30, -0.22), (0.40, 0.08), (0.36, 0.30)], (0.20, 0.235, 0.19), skin)
    return painter.finish()


class _Painter:
    """Lays rounded, shaded parts over each other, each with its shadow on those below."""

    def __init__(self, upwards: float) -> None:
        self._upwards = upwards
        self._colours = np.zeros((_HEIGHT, _WIDTH, 3), np.float32)  # not yet multiplied
        self._opacity = np.zeros((_HEIGHT, _WIDTH), np.float32)

    def add(
        self,
        line: list[Point] | tuple[Point, ...],
        radii: tuple[float, ...],
        colour: Colour,
        cut_at: float | None = None,
    ) -> None:
        """Add one part: a line of points, each as thick as its radius, in units.

        What lies left of `cut_at` is cut off straight, like the end of a sleeve.
        """
        points = np.array([(x, y * self._upwards) for x, y in line]) * UNIT + CENTRE
        sizes = np.array(radii) * UNIT
        margin = 14.0  # pixels, for the shadow
        low = np.floor((points - sizes[:, None]).min(axis=0) - margin).astype(int).clip(0)
        high = np.ceil((points + sizes[:, None]).max(axis=0) + margin).astype(int)
        area = (slice(low[1], high[1]), slice(low[0], high[0]))
        height, width = self._opacity[area].shape
        mask = _outline(points - low, sizes, width, height)
        lit = _shade(mask, float(sizes.max()))
        if cut_at is not None:
            columns = np.arange(low[0], low[0] + width) - (CENTRE[0] + cut_at * UNIT)
            mask = mask * np.clip(columns + 0.5, 0.0, 1.0).astype(np.float32)

        # What lies below is darker near this part.
        shadow = cv2.GaussianBlur(mask, (0, 0), 5.0)
        below = self._colours[area] * (1.0 - _SHADOW * shadow)[:, :, None]
        painted = np.asarray(colour, np.float32) * lit[:, :, None]
        opacity = mask[:, :, None]
        self._colours[area] = below * (1.0 - opacity) + painted * opacity
        self._opacity[area] = np.maximum(self._opacity[area], mask)

    def finish(self) -> Sprite:
        # A soft shadow falls on whatever is behind the hand: black that is partly opaque.
        behind = cv2.GaussianBlur(self._opacity, (0, 0), 12.0)
        fall = np.array([[1.0, 0.0, 10.0], [0.0, 1.0, 14.0]])  # pixels, away from the light
        behind = 0.28 * np.asarray(cv2.warpAffine(behind, fall, (_WIDTH, _HEIGHT)))
        opaque = self._opacity + (1.0 - self._opacity) * behind
        colours = np.clip(self._colours, 0, 255) * self._opacity[:, :, None]
        see_through = np.repeat(255.0 * (1.0 - opaque[:, :, None]), 3, axis=2)
        return Sprite(colours.astype(np.uint8), np.rint(see_through).astype(np.uint8))


def _outline(
    points: NDArray[np.float64], radii: NDArray[np.float64], width: int, height: int
) -> Mask:
    """Draw the hull of each pair of neighbouring circles, with smooth edges."""
    mask = np.zeros((height, width), np.uint8)
    shift = 4  # binary places of the coordinates
    for start, end, first, last in zip(points, points[1:], radii, radii[1:], strict=False):
        circles = [_circle(start, first), _circle(end, last)]
        hull = cv2.convexHull(np.concatenate(circles).astype(np.float32))
        corners = np.rint(hull * 2**shift).astype(np.int32)
        cv2.fillConvexPoly(mask, corners, 255, cv2.LINE_AA, shift)
    return np.asarray(mask, np.float32) / 255.0


def _circle(centre: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _shade(mask: Mask, radius: float) -> Mask:
    """Light a part as if it bulged towards the viewer as far as it is wide."""
    inside = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    depth = np.clip(inside / radius, 0.0, 1.0)
    bulge = cv2.GaussianBlur(radius * np.sqrt(1.0 - (1.0 - depth) ** 2), (0, 0), 0.07 * radius + 1)
    slope_x = cv2.Sobel(bulge, cv2.CV_32F, 1, 0, scale=0.125)
    slope_y = cv2.Sobel(bulge, cv2.CV_32F, 0, 1, scale=0.125)
    towards = _LIGHT[2] - slope_x * _LIGHT[0] - slope_y * _LIGHT[1]
    lambert = towards / np.sqrt(1.0 + slope_x**2 + slope_y**2)
    return np.asarray(0.52 + 0.62 * np.clip(lambert, 0.0, 1.0), np.float32)


def _darker(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)
