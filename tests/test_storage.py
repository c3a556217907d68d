"""Nothing half-written."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from webcam_classifier.errors import UserError
from webcam_classifier.storage import (
    recover_folder,
    remove_stale_partials,
    replace_atomically,
    write_atomically,
    write_together,
)


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
    with pytest.raises(UserError, match="a file is where a folder is needed"):
        write_atomically(tmp_path / "models" / "model.onnx", b"")


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    link.symlink_to("/dev/null")
    write_atomically(link, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_no_device_and_no_pipe_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "file").open("w") as file:
        for place in (tmp_path / "pipe", Path(f"/dev/fd/{file.fileno()}")):
            with pytest.raises(UserError, match="is a device or a pipe"):
                replace_atomically(place, lambda partial: partial.touch())
    assert (tmp_path / "pipe").is_fifo()


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
    # Their names don't tell a process, as those of earlier versions.
    old, young = tmp_path / ".a.jpg.0123abcd.partial", tmp_path / ".b.jpg.0123abcd.partial"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    remove_stale_partials(tmp_path)
    assert list(tmp_path.iterdir()) == [young]


def test_files_that_belong_together_all_change_or_none_does(tmp_path: Path) -> None:
    write_together(tmp_path, {"a": b"first", "b": b"first"})
    (tmp_path / "b").unlink()
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        write_together(tmp_path, {"a": b"second", "b": b"second"})
    assert (tmp_path / "a").read_bytes() == b"first"
    (tmp_path / "b").rmdir()
    write_together(tmp_path, {"a": b"second", "b": b"second"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a": b"second",
        "b": b"second",
    }


def test_a_disk_that_fills_up_half_way_leaves_the_whole_old_set(tmp_path: Path) -> None:
    write_together(tmp_path, {"a": b"old", "b": b"old"})
    # Stands for a full disk, for whom no mounting is needed: a file may not grow so large.
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from webcam_classifier.errors import UserError\n"
        "from webcam_classifier.storage import write_together\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_together(Path(sys.argv[1]), {'a': b'new', 'b': bytes(2000)})\n"
        "except UserError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "larger than a file may be" in done.stdout
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a": b"old",
        "b": b"old",
    }


@pytest.mark.slow
def test_a_writer_of_a_set_that_is_killed_leaves_one_whole_set(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from webcam_classifier.storage import write_together\n"
        "print('ready', flush=True)\n"
        "number = 0\n"
        "while True:\n"
        "    number += 1\n"
        "    content = str(number).encode() * 20000\n"
        "    write_together(Path(sys.argv[1]), dict.fromkeys(['a', 'b', 'c'], content))\n"
    )
    generator = random.Random(0)
    for _ in range(25):
        command = [sys.executable, "-c", script, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            while not (tmp_path / "c").exists():
                pass
            time.sleep(generator.uniform(0.0, 0.03))
            writer.kill()
        recover_folder(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
        assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nothing tells when it began")
def test_what_a_killed_process_left_is_removed_at_once_and_a_living_one_keeps_its_own(
    tmp_path: Path,
) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from webcam_classifier.temporary_files import temporary_folder\n"
        "from webcam_classifier.storage import replace_atomically\n"
        "def write(partial):\n"
        "    partial.write_bytes(b'half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(600)\n"
        "with temporary_folder(): replace_atomically(Path(sys.argv[1]) / 'a.jpg', write)\n"
    )
    temporary, dataset = tmp_path / "temporary", tmp_path / "dataset"
    for folder in (temporary, dataset):
        folder.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary)}
    running = []
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(dataset)], stdout=subprocess.PIPE, env=environment
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        running.append(writer)
    try:
        assert len(list(dataset.iterdir())) == len(list(temporary.iterdir())) == 2
        running[0].kill()
        running[0].wait()
        remove_stale_partials(dataset)
        recover_folder(dataset)
        look = "from webcam_classifier.temporary_files import temporary_folder as f\nwith f(): pass"
        subprocess.run([sys.executable, "-c", look], env=environment, check=True)
        assert [f"-{running[1].pid}-" in path.name for path in dataset.iterdir()] == [True]
        assert [f"-{running[1].pid}-" in path.name for path in temporary.iterdir()] == [True]
    finally:
        for writer in running:
            writer.kill()
            writer.communicate()


def test_a_list_of_moves_reaches_nothing_outside_its_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.write_bytes(b"precious")
    (inside / ".a.0123abcd.partial").write_bytes(b"evil")
    moves = {"../outside": ".a.0123abcd.partial", "b": "../outside", "c": 5}
    (inside / ".x.together").write_text(json.dumps(moves))
    recover_folder(inside)
    assert outside.read_bytes() == b"precious"
    assert not (inside / "b").exists()


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_no_file_name_is_a_sentence(path: str) -> None:
    with pytest.raises(UserError, match="Name a file"):
        write_atomically(Path(path), b"")


def test_two_programs_that_write_one_folder_leave_the_set_of_one(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from webcam_classifier.storage import write_together\n"
        "for number in range(40):\n"
        "    content = f'{sys.argv[2]} {number}'.encode()\n"
        "    write_together(Path(sys.argv[1]), dict.fromkeys(['a', 'b', 'c'], content))\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name])
        for name in ("one", "two")
    ]
    assert [writer.wait() for writer in running] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
