"""The simulated camera: a drawn scene at a camera's frame rate."""

from __future__ import annotations

import time
from collections.abc import Callable

from webcam_classifier.camera.protocol import Camera, CameraError, CaptureSettings
from webcam_classifier.camera.scene import POSES, draw_scene, pose_at
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.display.text import draw_text, text_size
from webcam_classifier.frame import BgrImage

_CAPTION = "simulated camera"
_PATIENCE = 5.0  # seconds beyond the time of a few frames


class SceneGrabber:
    """Draws the scene at each tick of a clock, and only if the frame is used.

    Args:
        pose: One of `scene.POSES`.
        seed: Of everything else.
        settings: Size and frame rate.
    """

    def __init__(self, pose: str, seed: int, settings: CaptureSettings) -> None:
        self._pose = pose
        self._seed = seed
        self._settings = settings
        self._index = -1
        self._held_for = 0  # frames in which the pose did not go on
        self._is_held: Callable[[], bool] = lambda: False
        self._due = time.monotonic()

    def hold_pose_while(self, is_held: Callable[[], bool]) -> None:
        """Keep the pose as long as a condition holds; see the function of that name."""
        self._is_held = is_held

    def grab(self) -> bool:
        """Wait until the next frame is due."""
        now = time.monotonic()
        # After a pause of the whole machine it goes on from now, without catching up.
        self._due = max(self._due, now - self._period) + self._period
        time.sleep(max(0.0, self._due - now))
        self._index += 1
        if self._index > 0 and self._is_held():
            self._held_for += 1
        return True

    def retrieve(self) -> BgrImage:
        """Draw it, with a caption that says what it is."""
        pose = pose_at(self._pose, self._seed, self._index - self._held_for)
        image = draw_scene(
            pose, self._seed, self._index, self._settings.width, self._settings.height
        )
        return _add_caption(image)

    def describe(self, first: BgrImage) -> str:
        """Say in one line that no camera is behind it."""
        height, width = first.shape[:2]
        return (
            f"simulated camera (a drawn hand, not a real one), seed {self._seed}, "
            f"{width} x {height} at {self._settings.frames_per_second:g} frames a second"
        )

    def release(self) -> None:
        """Nothing is held."""

    @property
    def _period(self) -> float:
        return 1.0 / self._settings.frames_per_second  # seconds


class DemoCamera(LiveCamera):
    """The simulated camera as a `Camera`.

    Args:
        grabber: Draws the scene.
        period: Seconds between two frames.
    """

    def __init__(self, grabber: SceneGrabber, period: float) -> None:
        self._scene = grabber
        super().__init__(grabber, patience=_PATIENCE + 3 * period, period=period)

    def hold_pose_while(self, is_held: Callable[[], bool]) -> None:
        """Keep the pose as long as a condition holds; see the function of that name."""
        self._scene.hold_pose_while(is_held)


def hold_pose_while(camera: Camera, is_held: Callable[[], bool]) -> None:
    """Make the simulated camera keep its pose as long as a condition holds, such as a held key.

    Where all poses take turns, somebody who records one of them would record the next one too.
    The hand and the room move on; once it is let go, the poses go on from where they stood.

    Args:
        camera: Any; nothing happens if it is not the simulated one.
        is_held: Asked for each frame, in the camera's thread.
    """
    if isinstance(camera, DemoCamera):
        camera.hold_pose_while(is_held)


def open_demo(source: str, settings: CaptureSettings) -> DemoCamera:
    """Open the simulated camera.

    As long as no pose is held, the frame's index is the scene's: `scene.pose_at` knows its label.

    Args:
        source: 'demo', 'demo:POSE', 'demo:POSE:SEED' or 'demo::SEED'.
        settings: Size and rate.

    Raises:
        CameraError: There is no such pose, or the seed is not a number.
    """
    pose, seed = parse_demo(source)
    return DemoCamera(SceneGrabber(pose, seed, settings), 1 / settings.frames_per_second)


def parse_demo(source: str) -> tuple[str, int]:
    """Take the pose and the seed out of a source such as 'demo:thumbs_up:7'.

    Raises:
        CameraError: There is no such pose, or the seed is not a number.
    """
    _, pose, seed, *rest = [*source.split(":"), "", ""]
    pose = "background" if pose == "none" else pose  # its name in 0.2 and before
    if (pose or "all") not in POSES or not (seed or "0").isdecimal() or any(rest):
        raise CameraError(
            f"{source!r} is not a simulated camera. Write demo, demo:POSE or demo:POSE:SEED, where "
            f"POSE is one of {', '.join(POSES)} and SEED a whole number, such as demo:thumbs_up:7."
        )
    return pose or "all", int(seed or "0")


def _add_caption(image: BgrImage) -> BgrImage:
    height, width = image.shape[:2]
    size = max(11, round(height / 34))  # pixels; smaller letters can't be read
    margin = size // 2
    text_width, text_height = text_size(_CAPTION, size)
    # At the right, below the line that live.py draws along the top: no panel covers it there.
    left, top = max(0, width - text_width - 2 * margin), round(0.08 * height)
    # On a dark plate, so that the words are as legible on every background.
    plate = image[top : top + text_height + 2 * margin, left:]
    plate //= 4
    draw_text(image, _CAPTION, (left + margin, top + margin), size, (235, 235, 235))
    return image
