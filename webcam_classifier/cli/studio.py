"""Teach a camera on a page in a browser: record, train, watch and export in one place.

$ python studio.py                          this machine alone; the link is printed
$ python studio.py --source demo            no camera at hand
$ python studio.py --source clip.mp4        a video in place of a camera, again and again
$ python studio.py --host 0.0.0.0           from a telephone or a laptop
$ python studio.py --origin https://cam.example    behind a reverse proxy that speaks TLS
$ python studio.py --dataset cups --output models/cups
$ python studio.py --unlabelled uncertain   also what live.py --keep-uncertain has kept, to label it

The link holds a token, without which nobody gets in: nobody on the network, and no other account of
this machine. A browser allows its own camera only for a page on the same machine or behind https.
Over a network, use the camera of this machine, or forward the page to yours with the ssh command
that is printed. Or put a proxy with a certificate in front of it, on this machine, and name the
address that people use with --origin; the proxy's headers are not trusted for that.
Ctrl-C ends it. Everything that was recorded is already in the data set.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from webcam_classifier.cli.command_parser import CommandParser
from webcam_classifier.cli.crop_argument import add_crop_argument
from webcam_classifier.cli.library_messages import library_messages
from webcam_classifier.cli.live_process import teaching_process
from webcam_classifier.cli.number_arguments import parse_port
from webcam_classifier.cli.output_arguments import model_folder
from webcam_classifier.cli.page_access import check_is_private, missing_package, origin
from webcam_classifier.cli.recording_arguments import add_dataset_argument
from webcam_classifier.cli.source_arguments import add_source_arguments, capture_settings
from webcam_classifier.dataset.crop_file import write_crop
from webcam_classifier.storage import check_writable, recover_folder
from webcam_classifier.temporary_files import remove_stale_temporary_folders
from webcam_classifier.web.addresses import LOOPBACK, is_loopback, links, listen, own_names

PORT = 8000


@library_messages()
def main(arguments: Sequence[str] | None = None) -> None:
    """Listen, open the data set and the camera, and serve the page until Ctrl-C."""
    options = parse(arguments)
    output = model_folder(options.output, options.dataset)
    check_writable(options.dataset)
    check_writable(output)
    recover_folder(output)
    with suppress(OSError):  # recording works without a folder for temporary files too
        remove_stale_temporary_folders()
    try:
        from webcam_classifier.web.access import Access

        listener = listen(
            options.host, options.port
        )  # before the slow imports, in case it is taken
        from webcam_classifier.backbone.load import default_backbone
        from webcam_classifier.teaching.session import TeachingSession
        from webcam_classifier.training.same_project import check_same_project
        from webcam_classifier.web.app import build_app
        from webcam_classifier.web.link_token import keep_token, link_token, private_page
        from webcam_classifier.web.replayed_file import open_as_camera
        from webcam_classifier.web.server import serve
        from webcam_classifier.web.studio import Studio
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    if options.output is None:
        check_same_project(output, options.dataset)
    if options.crop is not None:
        write_crop(options.dataset, options.crop.within(1, 1))
    with (
        listener,
        teaching_process() as on_loaded,
        TeachingSession(options.dataset, default_backbone(), on_loaded=on_loaded) as session,
    ):
        port = int(listener.getsockname()[1])
        is_own_machine = is_loopback(listener)
        if not options.token:
            check_is_private(is_own_machine, options.origin, "--host")
        token = link_token(options.port) if options.token else None
        names = frozenset() if is_own_machine else own_names(options.host)
        access = Access(names, token, cookie=f"studio-{port}", origin=options.origin)
        settings = capture_settings(options)
        open_device = partial(open_as_camera, options.source, settings)
        with Studio(session, output, open_device, options.unlabelled) as studio:
            found = links(listener, token, options.origin)
            say(describe_links(found, links(listener, None), options.origin, is_own_machine))
            with ExitStack() as opened:
                if options.browser and is_own_machine and has_screen():
                    webbrowser.open(opened.enter_context(private_page(found[0])))
                try:
                    serve(build_app(studio, access), listener)
                finally:
                    keep_token(options.port)


def describe_links(
    found: Sequence[str], own: Sequence[str], origin: str | None, is_own_machine: bool
) -> str:
    """Say how to reach the page, from this machine and from others.

    Args:
        found: The links, the most likely first.
        own: The links to the server itself, without a token.
        origin: The origin of the proxy in front, if there is one.
        is_own_machine: Whether only this machine can reach the server.
    """
    lines = [f"open   {link}" for link in found]
    port = own[0].rstrip("/").rpartition(":")[2]
    there = f"{os.environ.get('USER', 'you')}@{socket.gethostname()}"
    way = f"ssh -L {port}:localhost:{port} {there}"
    if origin is not None:
        lines.append(f"       the proxy passes it on to {own[0]}")
    is_sent_plainly = not is_own_machine if origin is None else origin.startswith("http:")
    if is_sent_plainly:
        lines.append(
            "       whoever has the link can train and see the camera; it is sent unencrypted"
        )
    if origin is None and not is_own_machine:
        lines.append(
            "A browser gives its camera only to localhost or https. To use that of another "
            f"machine,\nrun there: {way}\nand open   {found[-1]}"
        )
    elif origin is None:
        lines.append(f"From another machine: {way}, then the same link. Or --host 0.0.0.0.")
    lines.append("Ctrl-C ends it.")
    return "\n".join(lines)


def has_screen() -> bool:
    """Whether the person who started this would see a browser that is opened here."""
    if "SSH_CONNECTION" in os.environ:
        return False
    is_desktop = sys.platform in ("darwin", "win32")
    return is_desktop or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ


def say(line: str) -> None:
    """Print a line at once, even if standard output is a pipe."""
    print(line, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    return build_parser().parse_args(arguments)


def build_parser() -> CommandParser:
    """Build the parser of the command."""
    usage, _, examples = (__doc__ or "").partition("\n\n")
    parser = CommandParser(usage, "examples:\n" + examples)
    add_dataset_argument(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where models are written (default: models/ and the data set's name)",
    )
    parser.add_argument(
        "--unlabelled",
        type=Path,
        metavar="FOLDER",
        help="pictures that wait for a label, such as those of live.py --keep-uncertain FOLDER; "
        "Review on the page moves them to labels",
    )
    parser.add_argument(
        "--host",
        default=LOOPBACK,
        help="address to listen on; 0.0.0.0 is every network that this machine is in "
        "(default: %(default)s, this machine alone)",
    )
    parser.add_argument(
        "--port",
        type=parse_port,
        default=PORT,
        help="port to listen on; 0 takes a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--origin",
        type=origin,
        metavar="URL",
        help="the address that people use, where a reverse proxy stands in front, such as "
        "https://cam.example; then only pages of that address may change anything; "
        "X-Forwarded-Proto and X-Forwarded-Host are never trusted (default: the server's own)",
    )
    parser.add_argument(
        "--browser",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="open the page in a browser, where there is a screen (default: yes)",
    )
    parser.add_argument(
        "--token",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="ask for the token in the link; --no-token lets every account of this machine watch "
        "and train (default: yes)",
    )
    add_crop_argument(parser, "what the data set says", in_pixels=False)
    add_source_arguments(parser)
    return parser
