"""Which cameras are attached, what each can do, and why one can't be used.

Not run with a real camera yet: the tests reach the requests to the device, not its pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.camera import v4l2
from webcam_classifier.camera.device import open_device
from webcam_classifier.camera.opencv_capture import has_gstreamer
from webcam_classifier.camera.protocol import LIST_COMMAND, CameraError, CaptureSettings
from webcam_classifier.camera.supervisor import LiveCamera
from webcam_classifier.camera.v4l2 import CameraFormat

_NUMBERS_TRIED = 5  # where the system can't be asked which cameras there are
_MEASURED_FOR = 1.0  # seconds
_GIVES_UP_AFTER = 5.0  # seconds without a picture


@dataclass(frozen=True)
class CameraReport:
    """One camera, or one device file that looks like one.

    Attributes:
        source: What `--source` takes for it.
        name: Its own name; empty if it has none.
        formats: The formats that it offers; empty if it doesn't list them.
        agreed: The settings that it accepted for the usual size and rate; empty if it can't be
            used.
        measured_rate: Measured frames a second; 0 if it can't be used.
        problem: Why it can't be used; empty if it can.
    """

    source: str
    name: str
    formats: tuple[CameraFormat, ...] = ()
    agreed: str = ""
    measured_rate: float = 0.0
    problem: str = ""


def list_cameras() -> list[CameraReport]:
    """Check every camera; each working one is switched on for about a second."""
    if v4l2.is_available():
        return [report_node(node) for node in v4l2.video_nodes()]
    reports = (_try(str(number), f"camera {number}", ()) for number in range(_NUMBERS_TRIED))
    return [report for report in reports if not report.problem]


def report_node(node: Path) -> CameraReport:
    """Check one device file of Linux.

    Args:
        node: Such as /dev/video0.
    """
    name = _name_of(node)
    problem = v4l2.explain_node(node)
    if problem:
        return CameraReport(str(node), name, problem=problem)
    try:
        with v4l2.opened(node) as ioctl:
            formats = v4l2.list_formats(ioctl)
    except OSError:
        formats = ()  # it was there a moment ago; opening it will say what is wrong
    return _try(str(node), name, formats)


def describe_cameras(reports: list[CameraReport]) -> str:
    """Format the reports for people, with what to try next."""
    if reports:
        lines = [line for report in reports for line in _describe(report)]
    else:
        lines = [
            "No camera was found.",
            "  - Plug one in, wait a moment and run this again: " + LIST_COMMAND,
            "  - In a container or virtual machine, pass the camera on to it.",
            "  - Without a camera, try everything with the simulated one: --source demo",
        ]
    if has_gstreamer():
        lines.append("This OpenCV has GStreamer: a Jetson's ribbon camera is --source csi://0")
    return "\n".join(lines)


def measure_rate(camera: LiveCamera, seconds: float = _MEASURED_FOR) -> float:
    """Count the frames that a camera gives in a second.

    Args:
        camera: Opened; every frame that it takes counts, read or not.
        seconds: How long to look.

    Returns:
        Frames a second; 0 where the stream ended.

    Raises:
        CameraError: It broke off.
    """
    first = camera.read()
    if first is None:
        return 0.0
    last = first
    while last.captured_at - first.captured_at < seconds:
        frame = camera.read()
        if frame is None:
            break
        last = frame
    # So many intervals, one fewer than frames, lie between the two.
    elapsed = last.captured_at - first.captured_at
    return (last.index - first.index) / elapsed if elapsed else 0.0


def _try(source: str, name: str, formats: tuple[CameraFormat, ...]) -> CameraReport:
    try:
        with open_device(source, CaptureSettings(give_up_after=_GIVES_UP_AFTER)) as camera:
            rate = measure_rate(camera)
            return CameraReport(source, name, formats, camera.description, rate)
    except CameraError as error:
        return CameraReport(source, name, formats, problem=str(error))


def _describe(report: CameraReport) -> list[str]:
    lines = [f"{report.source}  {report.name}".rstrip()]
    if report.problem:
        lines.append(f"  can't be used: {report.problem}")
    else:
        lines.append(f"  works: {report.agreed}; {report.measured_rate:.1f} a second measured")
        lines.append(f"  use it: --source {report.source}")
    lines += [f"  offers {line}" for line in _describe_formats(report.formats)]
    return lines


def _describe_formats(formats: tuple[CameraFormat, ...]) -> list[str]:
    """One line for each code: 'MJPG: 640x480 (30, 15), 1280x720 (30)'."""
    lines: dict[str, list[str]] = {}
    for offer in formats:
        rates = ", ".join(f"{rate:g}" for rate in offer.rates)
        size = f"{offer.width}x{offer.height}" + (f" ({rates} a second)" if rates else "")
        lines.setdefault(offer.code, []).append(size)
    return [f"{code}: {', '.join(sizes)}" for code, sizes in lines.items()]


def _name_of(node: Path) -> str:
    try:
        return (Path("/sys/class/video4linux") / node.name / "name").read_text().strip()
    except OSError:
        return ""
