"""`python -m export --web`: write a page that runs the model in a browser, and serve it."""

from __future__ import annotations

import argparse
from pathlib import Path

from webcam_classifier.cli.live_arguments import SMOOTHING
from webcam_classifier.cli.number_arguments import parse_port
from webcam_classifier.command_names import as_installed, typed
from webcam_classifier.export.page_server import page_link, page_server
from webcam_classifier.export.web_page import (
    check_page_folder,
    check_page_zip,
    write_web_page,
    write_web_page_zip,
)
from webcam_classifier.model.classifier import Classifier
from webcam_classifier.progress import Note, Result, tell

_PORT = 8100
_IFRAME = '<iframe src="ADDRESS/" allow="camera" width="100%" height="720"></iframe>'


def add_web_arguments(
    parser: argparse.ArgumentParser, what: argparse._MutuallyExclusiveGroup
) -> None:
    """Add the arguments of a page.

    Args:
        parser: The parser of the command.
        what: Its group of options that say what to write.
    """
    what.add_argument(
        "--web",
        type=Path,
        metavar="FOLDER",
        help="a page that runs the model in the browser: a folder of files for any web host, or, "
        "where the name ends in .zip, a zip file of them",
    )
    parser.add_argument(
        "--title",
        metavar="TEXT",
        help="with --web: the title of the page (default: the name of the model's folder)",
    )
    parser.add_argument(
        "--serve",
        type=parse_port,
        nargs="?",
        const=_PORT,
        metavar="PORT",
        help=f"with --web: show the page on this machine until Ctrl-C (default port: {_PORT})",
    )


def check_web_arguments(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the command if an argument for a page was given without --web."""
    if options.web is None and (options.title is not None or options.serve is not None):
        parser.error("--title and --serve belong to --web")
    if options.serve is not None and _is_zip(options.web):
        parser.error("--serve shows a folder: name one with --web, not a zip file")


def export_web(classifier: Classifier, options: argparse.Namespace) -> None:
    """Write the page, print how to use it, and serve it if that was asked for.

    Raises:
        UserError: The folder holds something else, or the runtime for browsers is not available.
    """
    is_zip = _is_zip(options.web)
    (check_page_zip if is_zip else check_page_folder)(options.web)
    title = options.title or classifier.path.resolve().parent.name.replace("_", " ")
    tell(Note("getting the browser's runtime ready"))
    write = write_web_page_zip if is_zip else write_web_page
    page = write(classifier, options.web, title, SMOOTHING)
    print(
        f"written: {page.folder}, {page.byte_count / 1e6:.0f} MB; a browser downloads only what it "
        "needs, at the first visit. Any web host with https can serve it"
    )
    print(f"embed it: {_IFRAME}")
    tell(Result("a page for browsers", output=str(page.folder)))
    if is_zip:
        print("next: unpack it onto the web host")
        return
    if options.serve is None:
        print(
            as_installed(
                f"next: python -m export {typed(options.model)} --web {typed(options.web)} --serve"
            )
        )
        return
    with page_server(options.web, options.serve) as server:
        print(f"open {page_link(server)} on this machine; Ctrl-C ends it", flush=True)
        server.serve_forever()


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"
