"""The backgrounds of the simulated camera: rooms of soft shapes, each from its own seed."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.random import Generator

from webcam_classifier.frame import BgrImage


def draw_room(random: Generator, width: int, height: int) -> BgrImage:
    """Draw a room: a wall, things on it and before it, a table at times, out of focus.

    Args:
        random: Decides everything.
        width: Pixels.
        height: Pixels.
    """
    # At half the size: it is out of focus anyway, and ready in a quarter of the time.
    room = _draw_wall(random, (width + 1) // 2, (height + 1) // 2)
    for draw, chance in (
        (_draw_window, 0.45),
        (_draw_pictures, 0.5),
        (_draw_shelf, 0.5),
        (_draw_plant, 0.4),
        (_draw_boxes, 0.5),
        (_draw_table, 0.55),
    ):
        if random.random() < chance:
            draw(random, room)
    blurred = cv2.GaussianBlur(room, (0, 0), height * random.uniform(0.001, 0.006))
    return np.asarray(cv2.resize(blurred, (width, height)), np.uint8)


def _draw_wall(random: Generator, width: int, height: int) -> BgrImage:
    first, second = _colour(random, 0.05, 0.4), _colour(random, 0.05, 0.4)
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    angle = random.uniform(0, 2 * np.pi)
    mix = 0.5 + 0.5 * (np.cos(angle) * (across - 0.5) + np.sin(angle) * (down - 0.5))
    wall = np.asarray(first) * (1 - mix[:, :, None]) + np.asarray(second) * mix[:, :, None]
    # A lamp's glow somewhere on it.
    x, y = random.uniform(0, 1), random.uniform(-0.1, 0.7)
    glow = np.exp(-((across - x) ** 2 + (down - y) ** 2) / random.uniform(0.08, 0.4))
    lit = np.clip(wall * (0.8 + 0.4 * glow[:, :, None]), 0, 255)
    return np.asarray(lit, np.uint8)


def _draw_window(random: Generator, room: BgrImage) -> None:
    height, width = room.shape[:2]
    w, h = int(width * random.uniform(0.2, 0.36)), int(height * random.uniform(0.4, 0.62))
    x, y = int(random.uniform(-0.05, 0.75) * width), int(random.uniform(0.02, 0.12) * height)
    sky = _colour(random, 0.1, 0.35, lightest=1.0, darkest=0.8)
    frame = _colour(random, 0.0, 0.25, lightest=0.95, darkest=0.5)
    cv2.rectangle(room, (x, y), (x + w, y + h), sky, -1)
    cv2.rectangle(room, (x, y + int(0.7 * h)), (x + w, y + h), _colour(random, 0.2, 0.5), -1)
    bar = max(2, width // 90)
    cv2.rectangle(room, (x, y), (x + w, y + h), frame, bar)
    cv2.line(room, (x + w // 2, y), (x + w // 2, y + h), frame, bar)
    cv2.line(room, (x, y + h // 2), (x + w, y + h // 2), frame, bar)


def _draw_pictures(random: Generator, room: BgrImage) -> None:
    height, width = room.shape[:2]
    for _ in range(random.integers(1, 4)):
        w, h = (int(height * random.uniform(0.12, 0.3)) for _ in range(2))
        x, y = int(random.uniform(0, 0.9) * width), int(random.uniform(0.03, 0.35) * height)
        cv2.rectangle(room, (x, y), (x + w, y + h), _colour(random, 0, 0.3, darkest=0.1), -1)
        edge = max(2, height // 60)
        inner = (x + edge, y + edge), (x + w - edge, y + h - edge)
        cv2.rectangle(room, *inner, _colour(random, 0.2, 0.8), -1)
        middle = (x + w // 2, y + h // 2)
        cv2.circle(room, middle, min(w, h) // 4, _colour(random, 0.2, 0.8), -1, cv2.LINE_AA)


def _draw_shelf(random: Generator, room: BgrImage) -> None:
    height, width = room.shape[:2]
    x, end = sorted(int(value * width) for value in random.uniform(0, 1, 2))
    y = int(random.uniform(0.3, 0.6) * height)
    while x < end:
        w, h = int(width * random.uniform(0.012, 0.04)), int(height * random.uniform(0.1, 0.2))
        cv2.rectangle(room, (x, y - h), (x + w, y), _colour(random, 0.2, 0.75, darkest=0.2), -1)
        x += w + (int(0.05 * width) if random.random() < 0.12 else 1)
    board = _wood(random)
    cv2.rectangle(room, (end - width // 2, y), (end, y + height // 45), board, -1)


def _draw_plant(random: Generator, room: BgrImage) -> None:
    height, width = room.shape[:2]
    x, y = int(random.choice([0.1, 0.88]) * width), int(random.uniform(0.72, 0.85) * height)
    for _ in range(26):
        angle = random.uniform(-150, -30)
        length = height * random.uniform(0.1, 0.3)
        direction = np.deg2rad(angle)
        leaf = (int(x + length * np.cos(direction)), int(y + length * np.sin(direction)))
        hue, value = random.uniform(0.24, 0.4), random.uniform(0.25, 0.6)
        green = _from_hsv(hue, random.uniform(0.4, 0.7), value)
        axes = (int(length * 0.35), max(2, int(length * 0.1)))
        cv2.ellipse(room, leaf, axes, angle, 0, 360, green, -1, cv2.LINE_AA)
    w = int(height * 0.09)
    pot = np.array(
        [(x - w, y), (x + w, y), (x + int(0.7 * w), y + 2 * w), (x - int(0.7 * w), y + 2 * w)]
    )
    cv2.fillConvexPoly(room, pot, _colour(random, 0.3, 0.6), cv2.LINE_AA)


def _draw_boxes(random: Generator, room: BgrImage) -> None:
    """Draw cupboards and chair backs."""
    height, width = room.shape[:2]
    for _ in range(random.integers(1, 4)):
        w, h = int(width * random.uniform(0.12, 0.35)), int(height * random.uniform(0.2, 0.55))
        x = int(random.uniform(-0.1, 0.9) * width)
        front = _colour(random, 0.1, 0.55, darkest=0.2)
        top = height - h
        cv2.rectangle(room, (x, top), (x + w, height), front, -1)
        side = tuple(0.7 * value for value in front)
        cv2.rectangle(room, (x + w, top + h // 12), (x + int(1.15 * w), height), side, -1)
        for part in (0.33, 0.66):
            y = int(top + part * h)
            cv2.line(room, (x, y), (x + w, y), side, max(1, height // 200))


def _draw_table(random: Generator, room: BgrImage) -> None:
    height, width = room.shape[:2]
    y, slope = int(random.uniform(0.72, 0.9) * height), int(random.uniform(-0.06, 0.06) * height)
    board = _wood(random)
    corners = np.array([(0, y), (width, y + slope), (width, height), (0, height)])
    cv2.fillConvexPoly(room, corners, board, cv2.LINE_AA)
    edge = tuple(min(255.0, 1.25 * value) for value in board)
    cv2.line(room, (0, y), (width, y + slope), edge, max(2, height // 100), cv2.LINE_AA)


def _wood(random: Generator) -> tuple[float, float, float]:
    return _from_hsv(random.uniform(0.05, 0.1), random.uniform(0.3, 0.6), random.uniform(0.25, 0.7))


def _colour(
    random: Generator,
    palest: float,
    strongest: float,
    lightest: float = 0.85,
    darkest: float = 0.35,
) -> tuple[float, float, float]:
    saturation = random.uniform(palest, strongest)
    return _from_hsv(random.random(), saturation, random.uniform(darkest, lightest))


def _from_hsv(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return (255 * blue, 255 * green, 255 * red)
