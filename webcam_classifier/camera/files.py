"""Sources on disk: a video, a folder of pictures, or one picture; every frame is read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from webcam_classifier.camera.opencv_capture import file_backend, four_characters, open_capture
from webcam_classifier.camera.protocol import CameraError, CameraStatus
from webcam_classifier.dataset.listing import list_pictures, printable
from webcam_classifier.dataset.picture_files import PictureError, is_picture_name, read_picture
from webcam_classifier.frame import BgrImage, Frame

_TRIES = 64  # frames in a row that may be damaged, where the file does not say how many follow
_MOST_TRIES = 10_000  # whatever the file says


class VideoCamera:
    """A video file, or a file on a web server: its frames in order, as fast as they are read.

    A damaged frame does not end it: frames that can be decoded are returned, and the others
    counted.

    Args:
        capture: Opened.
        name: What the description calls it.

    Raises:
        CameraError: There is no frame in it.
    """

    is_live = False
    is_device = False

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        self._capture = capture
        self._name = name
        self._since = time.monotonic()
        self._index = 0
        self._unreadable = 0
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if count > 0 else None
        self._next = self._read_image()  # ahead: an empty video is found when it is opened
        if self._next is None:
            capture.release()
            raise CameraError(f"{name} has no frame in it. Record it again or choose another file.")
        height, width = self._next.shape[:2]
        frames = f", {self.frame_count} frames" if self.frame_count else ""
        self.description = f"{name}, {width} x {height}{frames}"

    @property
    def status(self) -> CameraStatus:
        """Whether there is a frame left."""
        return CameraStatus("ended" if self._next is None else "live", self._since)

    @property
    def skipped(self) -> Sequence[tuple[Path, str]]:
        """One entry where frames could not be read; it says how many."""
        if not self._unreadable:
            return ()
        of_all = f" of {self.frame_count}" if self.frame_count else ""
        frames = "frame" if of_all == "" and self._unreadable == 1 else "frames"
        return ((Path(self._name), f"{self._unreadable}{of_all} {frames} could not be decoded"),)

    def read(self) -> Frame | None:
        """Read the next frame that can be decoded; None after the last one."""
        if self._next is None:
            return None
        frame = Frame(self._next, self._index, time.monotonic())
        self._index += 1
        self._next = self._read_image()
        return frame

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._next = None
        self._capture.release()

    def __enter__(self) -> VideoCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_image(self) -> BgrImage | None:
        """Decode the next frame that can be.

        A damaged frame and the end of the file look alike: OpenCV returns nothing. Asked again, it
        continues after the damage, and at the end it keeps returning nothing, which takes
        microseconds. So it is asked as often as there may be frames left.
        """
        left = max(0, (self.frame_count or 0) - self._index - self._unreadable)
        for failed in range(min(_MOST_TRIES, max(_TRIES, left)) + 1):
            if self._capture.grab():  # after the end, `retrieve` would complain on stderr
                done, image = self._capture.retrieve()
                if done:
                    self._unreadable += failed
                    return np.asarray(image, dtype=np.uint8)
        # A count that a container only estimates is often wrong by one.
        if left > 1:
            self._unreadable += left
        return None


class PictureCamera:
    """Pictures on disk as a stream of frames, each named after its file.

    Args:
        paths: The pictures, in order.
        description: One line for a person.
        foreign: Files that were skipped, each with the reason.

    Attributes:
        skipped: `foreign`, and each picture that could not be read; it grows while reading.
    """

    is_live = False
    is_device = False

    def __init__(
        self, paths: Sequence[Path], description: str, foreign: Sequence[tuple[Path, str]] = ()
    ) -> None:
        self.description = description
        self.frame_count = len(paths)
        self.skipped = list(foreign)
        self._paths: Iterator[Path] = iter(paths)
        self._index = 0
        self._since = time.monotonic()
        self._has_ended = False

    @property
    def status(self) -> CameraStatus:
        """Whether there may be a picture left."""
        return CameraStatus("ended" if self._has_ended else "live", self._since)

    def read(self) -> Frame | None:
        """Read the next picture that can be read; None after the last one.

        Raises:
            CameraError: Not one of the pictures could be read.
        """
        for path in self._paths:
            try:
                image = read_picture(path)
            except PictureError as error:
                self.skipped.append((path, str(error)))
                continue
            frame = Frame(image, self._index, time.monotonic(), name=printable(path))
            self._index += 1
            return frame
        self._has_ended = True
        if self._index == 0 and self.skipped:
            path, reason = self.skipped[-1]
            raise CameraError(
                f"None of the {self.frame_count} picture files could be read; {printable(path)}: "
                f"{reason}. Choose another source."
            )
        return None

    def close(self) -> None:
        """Stop: no further picture follows. A second call does nothing."""
        self._paths = iter(())
        self._has_ended = True
        self._index = max(self._index, 1)

    def __enter__(self) -> PictureCamera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_file(path: Path) -> VideoCamera | PictureCamera:
    """Open one picture, by its file extension, or else a video.

    Args:
        path: An existing file.

    Raises:
        CameraError: It is neither, or empty, or damaged.
    """
    try:
        empty = path.stat().st_size == 0
        path.open("rb").close()
    except OSError as error:
        raise CameraError(
            f"{path} can't be opened: {error.strerror}. Check its permissions."
        ) from error
    if empty:
        raise CameraError(f"{path} is an empty file (0 bytes). Record it again.")
    if is_picture_name(path):
        return _open_picture(path)
    # An absolute path can't be taken for a URL by FFmpeg, whatever stands in it.
    capture = open_capture(str(path.resolve()), file_backend())
    # FFmpeg draws a text file as the screen of a terminal.
    is_text = four_characters(capture.get(cv2.CAP_PROP_FOURCC)) == "ansi"
    if not capture.isOpened() or is_text:
        capture.release()
        raise CameraError(
            f"{path} is neither a picture nor a video that this OpenCV can read, or it is "
            "damaged. Convert it, for example to an .mp4 or .jpg file."
        )
    return VideoCamera(capture, str(path))


def open_folder(folder: Path) -> PictureCamera:
    """Open a folder of pictures and the folders in it; see `dataset.listing`.

    Args:
        folder: An existing folder.

    Raises:
        CameraError: There is no picture in it.
        UserError: It can't be opened.
    """
    pictures, skipped = list_pictures(folder)
    if not pictures:
        told = ""
        if skipped:
            told = f" Of {len(skipped)} others {printable(skipped[0].path)}: {skipped[0].reason}."
        raise CameraError(
            f"There is no picture in the folder {printable(folder)}. It takes .jpg, .png, .bmp "
            f"and .webp files; to play a video, name the file itself.{told}"
        )
    plural = "" if len(pictures) == 1 else "s"
    return PictureCamera(
        pictures,
        f"{printable(folder)}, {len(pictures)} picture{plural}",
        [(file.path, file.reason) for file in skipped],
    )


def _open_picture(path: Path) -> PictureCamera:
    try:
        height, width = read_picture(path).shape[:2]
    except PictureError as error:
        raise CameraError(f"{path}: {error}. Choose another picture.") from error
    return PictureCamera([path], f"{path}, {width} x {height}, one picture")
