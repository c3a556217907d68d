"""The command-line arguments that show a running loop to browsers and programs elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from webcam_classifier.cli.page_access import origin
from webcam_classifier.web.addresses import LOOPBACK


class ServeAddress(NamedTuple):
    """Where to listen.

    Attributes:
        host: A name or an address of this machine.
        port: TCP port; 0 takes a free one.
    """

    host: str
    port: int


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --serve, and the options for who may open the page."""
    group = parser.add_argument_group("seen from a browser or a program elsewhere")
    group.add_argument(
        "--serve",
        type=_address,
        metavar="[HOST:]PORT",
        help="serve a page with the live picture, and GET /state, GET /events, POST /classify and "
        "others; 0.0.0.0:8080 lets other devices in, such as a phone (HOST: this machine alone)",
    )
    group.add_argument(
        "--origin",
        type=origin,
        metavar="URL",
        help="with --serve: the address that people use where a reverse proxy stands in front",
    )
    group.add_argument(
        "--token",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with --serve: ask for the token in the link; --no-token lets every account of this "
        "machine watch (default: yes)",
    )
    group.add_argument(
        "--models",
        type=Path,
        metavar="FOLDER",
        help="let --serve and --mqtt change to another model file in FOLDER, and to no other "
        "(default: none)",
    )


def check_serve_arguments(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the command if an argument has no effect."""
    if options.serve is None and (options.origin is not None or not options.token):
        parser.error("--origin and --no-token are for --serve: add it, or leave them out")
    if options.models is None:
        return
    if options.serve is None and not options.mqtt:
        parser.error("--models is for --serve and --mqtt: add one of them, or leave it out")
    if options.explain:
        parser.error("--explain is for one model: leave --models or --explain out")
    if not options.models.is_dir():
        parser.error(f"--models {options.models} is no folder: name the one that holds the models")


def _address(text: str) -> ServeAddress:
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port; write one up to 65535, such as 8080 or 0.0.0.0:8080"
        )
    return ServeAddress(host.strip("[]") or LOOPBACK, int(port))
