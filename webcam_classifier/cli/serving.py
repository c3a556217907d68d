"""Serve a page and an API of the running loop, beside it."""

from __future__ import annotations

import argparse
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from webcam_classifier.camera.protocol import Camera, CameraStatus
from webcam_classifier.camera.source_arguments import without_password
from webcam_classifier.cli.page_access import check_is_private, missing_package
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.model_switch import ModelSwitch
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.web.addresses import (
    AddressOptions,
    is_loopback,
    links,
    listen,
    own_names,
)

if TYPE_CHECKING:
    from webcam_classifier.web.live_feed import LiveFeed

_UNSENT = 16_384  # bytes that the system takes before it has sent those before
_OPTIONS = AddressOptions("--serve {host}:{port}", "--serve {host}:{port}")


def open_serving(
    options: argparse.Namespace,
    say: Callable[[str], None],
    stack: ExitStack,
    *,
    camera: Camera,
    switch: ModelSwitch,
    beside: Callable[[Path], Classifier],
    draw: Callable[[BgrImage, LabelledFrame, str], BgrImage],
) -> LiveFeed | None:
    """Listen and serve, where that is wanted.

    Args:
        options: With what `add_serve_arguments` added.
        say: Tells the person at the terminal.
        stack: Ends it.
        camera: Whose picture it is.
        switch: Holds what labels it, and changes it.
        beside: Opens a model file for pictures that are sent, so that it does not hold up the loop.
        draw: Draws a picture with what is seen in it, and a line on how fast and how old.

    Returns:
        What takes the labelled frames and events; None where nothing is served.

    Raises:
        UserError: The address can't be had, or a package is missing.
    """
    if options.serve is None:
        return None
    try:
        from webcam_classifier.web.access import Access
        from webcam_classifier.web.link_token import keep_token, link_token
        from webcam_classifier.web.live_feed import Drawing, LiveFeed, Watched
        from webcam_classifier.web.live_site import build_live_site
        from webcam_classifier.web.posted_pictures import PostedPictures
        from webcam_classifier.web.server import BackgroundServer
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    host, asked_port = options.serve
    listener = stack.enter_context(listen(host, asked_port, _OPTIONS))
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # else the system keeps seconds of old pictures
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    port = int(listener.getsockname()[1])
    is_own_machine = is_loopback(listener)
    if not options.token:
        check_is_private(is_own_machine, options.origin, "--serve")
    token = link_token(asked_port) if options.token else None
    stack.callback(keep_token, asked_port)
    names = frozenset() if is_own_machine else own_names(host)
    access = Access(names, token, f"live-{port}", options.origin, "live.py")
    feed = LiveFeed(
        f"--serve {host}:{port}",
        Watched(
            source=without_password(str(options.source)),
            description=camera.description,
            status=lambda: camera.status,
            model=lambda: str(switch.classifier.path),
            labels=lambda: switch.classifier.card.labels,
            crop=lambda: switch.classifier.crop,
        ),
        Drawing(
            view=lambda image: draw_view(image, switch.classifier),
            overlay=lambda image, labelled: draw(image, labelled, describe_pace(labelled)),
            stale=draw_stale,
        ),
    )
    posted = PostedPictures(lambda: switch.classifier, beside)
    stack.enter_context(BackgroundServer(build_live_site(feed, posted, switch, access), listener))
    for link in links(listener, token, options.origin):
        say(f"open   {link}")
    if not is_own_machine and options.origin is None:
        say("       whoever has the link can watch; it is sent unencrypted")
    return feed


def draw_view(image: BgrImage, classifier: Classifier) -> BgrImage:
    """Draw a picture as the page shows it, whose words stand beside it."""
    if classifier.crop is None:
        return image
    from webcam_classifier.display.crop_frame import draw_crop

    view: BgrImage = image.copy()
    draw_crop(view, classifier.crop)
    return view


def draw_stale(image: BgrImage, status: CameraStatus) -> BgrImage:
    """Draw the last picture of a camera that gives none."""
    from webcam_classifier.ui.stale_picture import draw_stale_picture, stale_words

    words = stale_words(status, time.monotonic())
    return draw_stale_picture(image, words, status.reason)


def describe_pace(labelled: LabelledFrame) -> str:
    """Say how fast it goes and how old the picture is."""
    age = time.monotonic() - labelled.frame.captured_at
    return f"{labelled.frames_per_second:.1f} frames/s   {1000 * age:.0f} ms old"
