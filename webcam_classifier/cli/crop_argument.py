"""The option for a part of the picture, and what it means for a data set."""

from __future__ import annotations

import argparse

from webcam_classifier.camera.open_camera import open_camera
from webcam_classifier.camera.protocol import Camera, CaptureSettings
from webcam_classifier.crop import CROP_HELP, Crop, CropArgument, parse_crop
from webcam_classifier.dataset.crop_file import find_crop
from webcam_classifier.dataset.index import Dataset
from webcam_classifier.dataset.picture_files import PictureError, read_picture


def add_crop_argument(
    parser: argparse.ArgumentParser, default: str, *, in_pixels: bool = True
) -> None:
    """Add the option.

    Args:
        parser: To this one.
        default: What holds without it, for the help.
        in_pixels: Whether it may be in pixels too; not where the source is opened later.
    """

    def read(text: str) -> CropArgument:
        try:
            found = parse_crop(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        if found.is_in_pixels and not in_pixels:
            raise argparse.ArgumentTypeError(
                f"{text!r} is in pixels, and the camera is chosen later: write fractions, such as "
                "0.25,0,0.5,1"
            )
        return found

    parser.add_argument(
        "--crop",
        type=read,
        metavar="LEFT,TOP,WIDTH,HEIGHT",
        help=f"{CROP_HELP} (default: {default})",
    )


def decide_crop(asked: CropArgument | None, dataset: Dataset) -> Crop | None:
    """The part of a data set's pictures that is looked at.

    Args:
        asked: On the command line; None takes what the data set says of itself.
        dataset: Refreshed. A part in pixels is one of its first readable picture.

    Returns:
        None if it is all of each picture.

    Raises:
        UserError: It is no part of these pictures, or the data set's own can't be read.
    """
    if asked is None:
        return find_crop(dataset.folder)
    crop = asked.within(*_picture_size(dataset)) if asked.is_in_pixels else asked.within(1, 1)
    return None if crop.is_whole else crop


def crop_of_source(
    asked: CropArgument | None, source: str, settings: CaptureSettings, camera: Camera
) -> Crop | None:
    """The part of a source's pictures that is looked at, as it was asked for.

    Args:
        asked: On the command line.
        source: Its name.
        settings: With which it was opened.
        camera: What was opened: of a live one a frame is taken, of a file nothing is lost.

    Returns:
        None if nothing was asked for.

    Raises:
        UserError: It is no part of these pictures.
        CameraError: The source can't be opened a second time.
    """
    if asked is None or not asked.is_in_pixels:
        return None if asked is None else asked.within(1, 1)
    if camera.is_live:
        frame = camera.read()
    else:
        with open_camera(source, settings) as another:
            frame = another.read()
    if frame is None:
        return None  # there is no picture to look at a part of, and the source has ended
    return asked.within(frame.image.shape[1], frame.image.shape[0])


def _picture_size(dataset: Dataset) -> tuple[int, int]:
    """Width and height of the first picture that can be read."""
    for picture in dataset.ordered():
        try:
            height, width = read_picture(dataset.path(picture)).shape[:2]
        except PictureError:
            continue
        return width, height
    return 1, 1
