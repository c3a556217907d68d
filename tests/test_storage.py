"""Nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from webcam_classifier.errors import UserError
from webcam_classifier.storage import remove_stale_partials, replace_atomically, write_atomically


def test_the_content_is_there_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "file.bin", b"first")
    write_atomically(tmp_path / "new" / "file.bin", b"second")
    assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [b"second"]


def test_a_writer_that_fails_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def fail(partial: Path) -> None:
        partial.write_bytes(b"half")
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        replace_atomically(path, fail)
    assert [found.read_bytes() for found in tmp_path.iterdir()] == [b"old"]


def test_a_file_in_place_of_the_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(UserError, match="a file stands where a folder is needed"):
        write_atomically(tmp_path / "models" / "model.onnx", b"")


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        with pytest.raises(UserError, match="disk is full"):
            write_atomically(tmp_path / "large.bin", bytes(1_000_000))
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_killed_writer_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    script = (
        "import sys; from pathlib import Path\n"
        "from webcam_classifier.storage import write_atomically\n"
        "content = bytes(3_000_000)\n"
        "print('ready', flush=True)\n"
        "while True: write_atomically(Path(sys.argv[1]), content)\n"
    )
    for _ in range(5):
        command = [sys.executable, "-c", script, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            while not path.exists():
                pass
            writer.kill()
        assert path.stat().st_size == 3_000_000


def test_only_old_leftovers_are_removed(tmp_path: Path) -> None:
    old, young = tmp_path / ".a.jpg.1.partial", tmp_path / ".b.jpg.2.partial"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    remove_stale_partials(tmp_path)
    assert list(tmp_path.iterdir()) == [young]
