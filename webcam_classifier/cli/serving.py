"""Serve a page and an API for the running loop."""

from __future__ import annotations

import argparse
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from webcam_classifier.camera.protocol import Camera, CameraStatus
from webcam_classifier.camera.source_names import without_password
from webcam_classifier.cli.page_access import check_is_private, missing_package
from webcam_classifier.errors import UserError
from webcam_classifier.frame import BgrImage
from webcam_classifier.live.loop import LabelledFrame
from webcam_classifier.live.model_switch import ModelSwitch
from webcam_classifier.live.region import PartClassifier
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.ui.frame_display import SourceFacts
from webcam_classifier.web.addresses import (
    AddressOptions,
    is_loopback,
    links,
    listen,
    own_names,
)

if TYPE_CHECKING:
    from webcam_classifier.web.live_feed import Drawing, LiveFeed, Watched

Draw = Callable[[BgrImage, LabelledFrame, str], BgrImage]
"""Draws the labels and a line about rate and age onto a copy of a picture."""

_UNSENT = 16_384  # bytes that the system accepts before it has sent the earlier ones
_OPTIONS = AddressOptions("--serve {host}:{port}", "--serve {host}:{port}")


def open_serving(
    options: argparse.Namespace,
    say: Callable[[str], None],
    stack: ExitStack,
    *,
    camera: Camera,
    labelling: ModelSwitch | Mapping[str, PartClassifier],
    beside: Callable[[Path], Classifier],
    draw: Draw,
) -> LiveFeed | None:
    """Start to serve, if that is wanted.

    Args:
        options: From a parser with `add_serve_arguments`.
        say: Prints a line for the person at the terminal.
        stack: Stops the server.
        camera: Where the frames come from.
        labelling: Holds the model and can change it; or the classifier of each region by its name.
        beside: Opens a model file once more, for pictures that are sent, so that these don't delay
            the loop.
        draw: Draws labels onto a picture.

    Returns:
        The sink for labelled frames and events; None if nothing is served.

    Raises:
        UserError: The address can't be used, or a package is missing.
    """
    if options.serve is None:
        return None
    try:
        from webcam_classifier.web.access import Access
        from webcam_classifier.web.link_token import keep_token, link_token
        from webcam_classifier.web.live_feed import LiveFeed
        from webcam_classifier.web.live_site import build_live_site
        from webcam_classifier.web.posted_pictures import PostedPictures
        from webcam_classifier.web.server import BackgroundServer
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    host, asked_port = options.serve
    listener = stack.enter_context(listen(host, asked_port, _OPTIONS))
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # otherwise the system buffers seconds of old pictures
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
        watched(without_password(str(options.source)), camera, labelling),
        drawing(labelling, draw),
    )

    def opened(classifier: Classifier) -> Classifier:
        return beside(classifier.path)

    if isinstance(labelling, ModelSwitch):
        switch = labelling
        posted = PostedPictures(lambda: _whole_picture(switch.classifier), opened)
        site = build_live_site(feed, posted, switch, access)
    else:
        parts = labelling
        site = build_live_site(feed, PostedPictures(lambda: parts, opened), NoOtherModels(), access)
    stack.enter_context(BackgroundServer(site, listener))
    for link in links(listener, token, options.origin):
        say(f"open   {link}")
    if not is_own_machine and options.origin is None:
        say("       whoever has the link can watch; it is sent unencrypted")
    return feed


def _whole_picture(classifier: Classifier) -> Mapping[str, PartClassifier]:
    return {"": PartClassifier(classifier, classifier.crop)}


def check_is_no_picture(options: argparse.Namespace, source: SourceFacts) -> None:
    """Refuse to serve single pictures.

    Args:
        options: From a parser with `add_serve_arguments`.
        source: What is known about the source.

    Raises:
        UserError: It is to be served, and gives single pictures.
    """
    if options.serve is not None and source.are_pictures:
        raise UserError(
            f"--serve shows a live picture or a video, and {options.source} is of single "
            "pictures. Leave --serve out."
        )


def watched(
    source: str, camera: Camera, labelling: ModelSwitch | Mapping[str, PartClassifier]
) -> Watched:
    """Return the description of camera and model for the page.

    Args:
        source: Where the frames come from, without a password.
        camera: The opened source.
        labelling: As for `open_serving`.
    """
    from webcam_classifier.web.live_feed import Watched

    if isinstance(labelling, ModelSwitch):
        switch = labelling
        return Watched(
            source=source,
            description=camera.description,
            status=lambda: camera.status,
            model=lambda: str(switch.classifier.path),
            labels=lambda: switch.classifier.card.labels,
            crop=lambda: switch.classifier.crop,
            answering=lambda: PartClassifier(switch.classifier, switch.classifier.crop),
        )
    files = ", ".join(f"{name}: {part.model.path}" for name, part in labelling.items())
    return Watched(
        source=source,
        description=camera.description,
        status=lambda: camera.status,
        model=lambda: files,
        labels=lambda: (),
        crop=lambda: None,
        answering=lambda: None,
        regions={name: str(part.model.path) for name, part in labelling.items()},
    )


def drawing(labelling: ModelSwitch | Mapping[str, PartClassifier], draw: Draw) -> Drawing:
    """Return the functions that draw the pictures for the page.

    Args:
        labelling: As for `open_serving`.
        draw: As for `open_serving`.
    """
    from webcam_classifier.web.live_feed import Drawing

    def view(image: BgrImage, labelled: LabelledFrame) -> BgrImage:
        if isinstance(labelling, ModelSwitch):
            return draw_view(image, labelling.classifier)
        return draw(image, labelled, "")

    return Drawing(
        view=view,
        overlay=lambda image, labelled: draw(image, labelled, describe_pace(labelled)),
        stale=draw_stale,
    )


class NoOtherModels:
    """The choice of models if there are regions, which keep theirs: none."""

    names: Sequence[str] = ()
    name: str | None = None

    def change(self, name: str) -> None:
        """Refuse.

        Raises:
            UserError: Always.
        """
        raise UserError(
            f"Each region keeps its model, so {name[:80]!r} can't be chosen. Start again with it."
        )


def draw_view(image: BgrImage, classifier: Classifier) -> BgrImage:
    """Draw a picture for the page, which shows the label beside it."""
    if classifier.crop is None:
        return image
    from webcam_classifier.display.crop_frame import draw_crop

    view: BgrImage = image.copy()
    draw_crop(view, classifier.crop)
    return view


def draw_stale(image: BgrImage, status: CameraStatus) -> BgrImage:
    """Draw the last picture of a camera that gives no picture now."""
    from webcam_classifier.ui.stale_picture import draw_stale_picture, stale_words

    words = stale_words(status, time.monotonic())
    return draw_stale_picture(image, words, status.reason)


def describe_pace(labelled: LabelledFrame) -> str:
    """Return a line with the rate and the age of the picture."""
    age = time.monotonic() - labelled.frame.captured_at
    return f"{labelled.frames_per_second:.1f} frames/s   {1000 * age:.0f} ms old"
