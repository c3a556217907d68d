"""What names a source of pictures: every kind of name, and how an address is shown."""

from __future__ import annotations

SOURCE_KINDS = """\
  0, /dev/video0            a camera, by its number or its device file
  clip.mp4                  a video file
  pictures/                 a folder of pictures, by name, with the folders in it
  photo.jpg                 one picture
  http://host:8080/video    a network stream; https:// and rtsp:// too
  csi://0                   a Jetson's ribbon camera
  'v4l2src ! ... ! appsink' a GStreamer pipeline
  demo                      a simulated camera; also demo:thumbs_up, demo:thumbs_up:7, demo::7
                            (which pose is shown, and the seed of everything else)
"""
"""Every kind of source, one a line, each with an example."""


def without_password(source: str) -> str:
    """Leave the user's name and password out of an address, and what may be a key in it.

    Args:
        source: As `--source` takes it; what is no address stays as it is.

    Returns:
        For `rtsp://user:secret@10.0.0.7/video?key=1` it is `rtsp://10.0.0.7/video`.
    """
    scheme, separator, rest = source.partition("://")
    if not separator or " " in scheme or "/" in scheme:
        return source
    # Not `urlsplit`, which raises where a password has a bracket. A password may have a slash or
    # a question mark in it as well, so everything up to the last @ goes, and what is left behind.
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0].partition('#')[0]}"
