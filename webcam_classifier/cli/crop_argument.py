"""The --crop option, and how it applies to a data set or a source."""

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
        parser: The parser to add it to.
        default: What is used without it, for the help.
        in_pixels: Whether it may be in pixels; not possible if the source is opened later.
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
    """Return the part of a data set's pictures to use.

    Args:
        asked: From the command line; None takes the data set's own crop.
        dataset: A refreshed index. A crop in pixels applies to its first readable picture.

    Returns:
        The crop; None for the whole picture.

    Raises:
        UserError: The crop is not within these pictures, or the data set's own can't be read.
    """
    if asked is None:
        return find_crop(dataset.folder)
    crop = asked.within(*_picture_size(dataset)) if asked.is_in_pixels else asked.within(1, 1)
    return None if crop.is_whole else crop


def crop_of_source(
    asked: CropArgument | None, source: str, settings: CaptureSettings, camera: Camera
) -> Crop | None:
    """Return the part of a source's pictures to use.

    Args:
        asked: From the command line; None if there was none.
        source: The name of the source.
        settings: The settings it was opened with.
        camera: The opened source. For a crop in pixels, a frame is read from a live source; a file
            is opened a second time, so that no frame is lost.

    Returns:
        The crop; None if none was asked for, or the source has no picture.

    Raises:
        UserError: The crop is not within these pictures.
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
        return None  # the source has no picture
    return asked.within(frame.image.shape[1], frame.image.shape[0])


def _picture_size(dataset: Dataset) -> tuple[int, int]:
    """Return width and height of the first readable picture, in pixels; (1, 1) if there is none."""
    for picture in dataset.ordered():
        try:
            height, width = read_picture(dataset.path(picture)).shape[:2]
        except PictureError:
            continue
        return width, height
    return 1, 1
