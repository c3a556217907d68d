"""What the network saw is kept beside the pictures, and never believed when it is damaged."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.coloured_pictures import write_coloured_pictures
from tests.kept_embeddings import kept_embeddings
from tests.tiny_features import WIDTH, tiny_features
from webcam_classifier.cli import train
from webcam_classifier.dataset import embedding_cache
from webcam_classifier.dataset.embedding_cache import (
    FILE_NAME,
    EmbeddingCache,
    PictureEmbeddings,
    cache_key,
)

ROOT = Path(__file__).resolve().parents[1]
HASH, OTHER_HASH = "ab" * 32, "cd" * 32


def looks(count: int = 3, seed: int = 0, width: int = WIDTH) -> PictureEmbeddings:
    generator = np.random.default_rng(seed)
    return PictureEmbeddings(
        embeddings=generator.random((count, width), dtype=np.float32),
        fingerprint=generator.random(256) < 0.5,
        size=(640 + seed, 480 + seed),
        small=generator.integers(0, 256, (32, 32, 3), dtype=np.uint8),
    )


def content_hash(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def many(count: int) -> dict[str, PictureEmbeddings]:
    return {content_hash(number): looks(seed=number) for number in range(count)}


def assert_same(found: PictureEmbeddings | None, expected: PictureEmbeddings) -> None:
    assert found is not None
    np.testing.assert_array_equal(found.embeddings, expected.embeddings)
    np.testing.assert_array_equal(found.fingerprint, expected.fingerprint)
    np.testing.assert_array_equal(found.small, expected.small)
    assert found.size == expected.size
    assert found.embeddings.dtype == np.float32
    assert found.fingerprint.dtype == np.bool_
    assert found.small.dtype == np.uint8


def assert_part_of(
    found: Mapping[str, PictureEmbeddings], expected: Mapping[str, PictureEmbeddings]
) -> None:
    for name, one in found.items():
        assert_same(one, expected[name])


def execute(dataset: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(dataset / FILE_NAME)) as connection, connection:
        connection.execute(statement, values)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[EmbeddingCache]:
    cache = EmbeddingCache(tmp_path, "kind", WIDTH)
    yield cache
    cache.close()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged meanwhile."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("webcam_classifier.dataset.embedding_cache")
    logger.addHandler(handler)
    yield said
    logger.removeHandler(handler)


def test_what_is_saved_is_loaded_bit_for_bit(
    tmp_path: Path, cache: EmbeddingCache, lines: list[str]
) -> None:
    assert cache.load(HASH) is None
    assert not list(tmp_path.iterdir()), "asking makes no file"
    cache.save(HASH, looks())
    assert_same(cache.load(HASH), looks())
    assert cache.load(OTHER_HASH) is None
    cache.save(HASH, looks(9, seed=1))
    assert_same(cache.load(HASH), looks(9, seed=1))
    assert_same(EmbeddingCache(tmp_path, "kind", WIDTH).load(HASH), looks(9, seed=1))
    cache.close()
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert lines == []


def test_many_are_saved_and_loaded_at_once(tmp_path: Path, cache: EmbeddingCache) -> None:
    saved = many(1200)  # more than one statement takes
    cache.save_many(saved)
    found = EmbeddingCache(tmp_path, "kind", WIDTH).load_many([*saved, HASH, *saved])
    assert found.keys() == saved.keys()
    assert_part_of(found, saved)


@pytest.mark.parametrize(
    "damage",
    ["flipped", "flipped everywhere", "cut off", "cut in a page", "text", "empty", "old"],
)
def test_a_damaged_file_is_passed_over_and_made_anew(
    tmp_path: Path, lines: list[str], damage: str
) -> None:
    saved, path = many(40), tmp_path / FILE_NAME
    first = EmbeddingCache(tmp_path, "kind", WIDTH)
    first.save_many(saved)
    first.close()
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = bytearray(whole)
    for place in range(middle, len(whole), 9 if damage == "flipped everywhere" else len(whole)):
        flipped[place] ^= 255
    if damage == "old":
        execute(tmp_path, "PRAGMA user_version=0")
    else:
        path.write_bytes({
            "flipped": bytes(flipped),
            "flipped everywhere": bytes(flipped),
            "cut off": whole[: len(whole) // 8192 // 2 * 8192],
            "cut in a page": whole[: middle + 100],
            "text": b"hello\n" * 999,
            "empty": b"",
        }[damage])  # fmt: skip
    cache = EmbeddingCache(tmp_path, "kind", WIDTH)
    found = cache.load_many(saved)
    assert len(found) == (39 if damage == "flipped" else 0)
    assert_part_of(found, saved)
    assert len(lines) == (0 if damage == "empty" else 1)
    cache.save_many(saved)
    assert cache.load_many(saved).keys() == saved.keys()
    cache.close()
    assert EmbeddingCache(tmp_path, "kind", WIDTH).load_many(saved).keys() == saved.keys()
    assert len(lines) == (0 if damage == "empty" else 1)


def test_no_damage_at_all_gives_a_wrong_picture_or_an_error(tmp_path: Path) -> None:
    saved, path = many(30), tmp_path / FILE_NAME
    for kind in ("kind", "other"):
        cache = EmbeddingCache(tmp_path, kind, WIDTH)
        cache.save_many(saved)
        cache.discard(content_hash(3))
        cache.close()
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    silent = logging.getLogger("webcam_classifier.dataset.embedding_cache")
    silent.disabled = True
    try:
        for turn in range(150):
            damaged = np.frombuffer(whole, np.uint8).copy()
            places = generator.integers(0, len(whole), 20)
            if turn % 3 == 0:  # where pages say what is in them
                places = places // 8192 * 8192 + generator.integers(0, 60, 20)
            elif turn % 3 == 1:  # pages in each other's places
                pages = damaged.reshape(-1, 8192)
                pages[1:] = pages[1 + generator.permutation(len(pages) - 1)]
            damaged[places] ^= generator.integers(1, 256, 20, dtype=np.uint8)
            path.write_bytes(damaged.tobytes())
            cache = EmbeddingCache(tmp_path, "kind", WIDTH)
            for name in list(saved)[::7]:
                assert_part_of(cache.load_many([name]), saved)
            for _ in range(2):
                assert_part_of(cache.load_many(saved), saved)
                cache.save_many(saved)
            cache.discard(content_hash(0))
            cache.prune(list(saved)[:10])
            assert_part_of(cache.load_many(saved), saved)
            cache.close()
    finally:
        silent.disabled = False


def test_another_width_is_passed_over_and_written_anew(
    tmp_path: Path, cache: EmbeddingCache
) -> None:
    cache.save(HASH, looks())
    narrow = EmbeddingCache(tmp_path, "kind", WIDTH - 5)
    assert narrow.load(HASH) is None
    narrow.save(HASH, looks(width=WIDTH - 5))
    assert_same(narrow.load(HASH), looks(width=WIDTH - 5))


@pytest.mark.parametrize("whose", ["newer", "another program's"])
def test_what_is_whole_and_not_ours_is_left_alone(
    tmp_path: Path, cache: EmbeddingCache, lines: list[str], whose: str
) -> None:
    if whose == "newer":
        cache.save(HASH, looks())
        cache.close()
        execute(tmp_path, "PRAGMA user_version=2")
    else:
        execute(tmp_path, "CREATE TABLE theirs (value)")
    before = (tmp_path / FILE_NAME).read_bytes()
    cache = EmbeddingCache(tmp_path, "kind", WIDTH)
    cache.save(OTHER_HASH, looks())
    cache.discard(HASH)
    cache.prune([])
    assert cache.load(HASH) is None
    cache.close()
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert len(lines) == 1


def test_where_a_folder_is_in_the_way_nothing_is_kept(
    tmp_path: Path, cache: EmbeddingCache, lines: list[str]
) -> None:
    (tmp_path / FILE_NAME).mkdir()
    (tmp_path / FILE_NAME / "mine").write_text("in the way")
    cache.save(HASH, looks())
    assert cache.load(HASH) is None
    cache.discard(HASH)
    cache.prune([])
    assert (tmp_path / FILE_NAME / "mine").read_text() == "in the way"
    assert len(lines) == 1


def test_where_the_data_set_is_no_folder_nothing_is_kept(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = EmbeddingCache(tmp_path / "file", "kind", WIDTH)
    cache.save(HASH, looks())
    assert cache.load(HASH) is None
    assert len(lines) == 1


READ_ONLY = """
    import os, sys
    from pathlib import Path
    from tests.test_embedding_cache import HASH, OTHER_HASH, WIDTH, assert_same, looks
    from webcam_classifier.dataset.embedding_cache import EmbeddingCache
    if os.getuid() == 0:
        os.setuid(65534)  # whom permissions bind
    cache = EmbeddingCache(Path(sys.argv[1]), "kind", WIDTH)
    cache.save(OTHER_HASH, looks())
    cache.prune([])
    assert_same(cache.load(HASH), looks())
    print(cache.load(OTHER_HASH))
"""


def test_a_folder_that_is_read_only_is_read() -> None:
    with tempfile.TemporaryDirectory() as name:  # not pytest's, which no other user can reach
        folder = Path(name)
        cache = EmbeddingCache(folder, "kind", WIDTH)
        cache.save(HASH, looks())
        cache.close()
        folder.chmod(0o555)
        finished = run_program(READ_ONLY, folder)
        folder.chmod(0o755)
    assert finished.stdout == "None\n", finished.stderr
    assert finished.stderr.count("\n") == 1


def test_what_is_locked_for_ever_holds_up_once(
    tmp_path: Path, cache: EmbeddingCache, lines: list[str]
) -> None:
    cache.save(HASH, looks())
    cache.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        for _ in range(5):
            assert cache.load(HASH) is None
            cache.save(OTHER_HASH, looks())
        cache.prune([])
        assert time.monotonic() - began < 4.0
    assert len(lines) == 1
    assert_same(EmbeddingCache(tmp_path, "kind", WIDTH).load(HASH), looks())


def test_a_file_that_was_deleted_meanwhile_is_made_anew(
    tmp_path: Path, cache: EmbeddingCache, lines: list[str]
) -> None:
    cache.save(HASH, looks())
    (tmp_path / FILE_NAME).unlink()
    cache.save(OTHER_HASH, looks(seed=1))
    assert_same(EmbeddingCache(tmp_path, "kind", WIDTH).load(OTHER_HASH), looks(seed=1))
    assert lines == []


def run_program(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)


WITHOUT_SQLITE = """
    import sys
    sys.modules["_sqlite3"] = None
    from pathlib import Path
    from webcam_classifier.dataset.embedding_cache import EmbeddingCache, PictureEmbeddings
    import numpy as np
    looks = PictureEmbeddings(
        np.ones((3, 48), np.float32), np.ones(256, bool), (4, 3), np.ones((32, 32, 3), np.uint8)
    )
    cache = EmbeddingCache(Path(sys.argv[1]), "kind", 48)
    cache.save("ab", looks)
    print(cache.load("ab"))
    cache.close()
"""


def test_without_sqlite_nothing_is_kept(tmp_path: Path) -> None:
    finished = run_program(WITHOUT_SQLITE, tmp_path)
    assert finished.stdout == "None\n", finished.stderr
    assert "_sqlite3" in finished.stderr
    assert not list(tmp_path.iterdir())


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from tests.test_embedding_cache import WIDTH, assert_same, looks, many
    from webcam_classifier.dataset.embedding_cache import EmbeddingCache
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    cache = EmbeddingCache(Path(sys.argv[1]), "kind", WIDTH)
    for name, one in many(100).items():
        cache.save(name, one)
    cache.prune([])
    assert_same(cache.load(next(iter(many(1)))), looks())
    print("none raised")
    cache.close()
"""


def test_a_full_disk_is_no_error_and_nothing_is_damaged(tmp_path: Path) -> None:
    finished = run_program(FULL_DISK, tmp_path)
    assert finished.stdout == "none raised\n", finished.stderr
    assert finished.stderr.count("\n") == 1
    saved = many(100)
    cache = EmbeddingCache(tmp_path, "kind", WIDTH)
    found = cache.load_many(saved)
    assert 10 < len(found) < 60
    assert_part_of(found, saved)
    cache.save_many(saved)
    assert cache.load_many(saved).keys() == saved.keys()
    cache.close()


KILLED = """
    import os, random, signal, sys, time
    from pathlib import Path
    from tests.test_embedding_cache import WIDTH, assert_same, many
    from webcam_classifier.dataset.embedding_cache import EmbeddingCache

    dataset, saved, seconds = Path(sys.argv[1]), many(40), random.Random(0)
    names = list(saved)
    for turn in range(20):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            cache = EmbeddingCache(dataset, f"kind{turn % 3}", WIDTH)
            while True:
                for name in names:
                    cache.discard(name)
                    cache.save(name, saved[name])
                    os.write(writing, b".")
                cache.save_many(saved)
                os.write(writing, b"." * 40)
        os.read(reading, 1)
        time.sleep(seconds.uniform(0.0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(writing)
        count = 1 + len(os.read(reading, 100_000))
        os.close(reading)
        cache = EmbeddingCache(dataset, f"kind{turn % 3}", WIDTH)
        found = cache.load_many(names)
        # The one that it was just at may have been discarded.
        missing = [place for place, name in enumerate(names[:count]) if name not in found]
        assert len(missing) <= 1, (turn, count, missing)
        for name, one in found.items():
            assert_same(one, saved[name])
        cache.close()
    print("whole")
"""


def test_a_kill_while_it_writes_loses_and_damages_nothing(tmp_path: Path, lines: list[str]) -> None:
    finished = run_program(KILLED, tmp_path)
    assert finished.stdout == "whole\n", finished.stderr
    assert finished.stderr == ""
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert lines == []


WRITER = """
    import sys
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path
    from tests.test_embedding_cache import WIDTH, assert_same, many
    from webcam_classifier.dataset.embedding_cache import EmbeddingCache

    saved = many(150)
    cache = EmbeddingCache(Path(sys.argv[1]), sys.argv[2], WIDTH)

    def write(name):
        cache.save(name, saved[name])
        assert_same(cache.load(name), saved[name])

    input()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, list(saved)[:: int(sys.argv[3])]))
        list(threads.map(lambda _: cache.prune(saved), range(4)))
    cache.save_many(saved)
    cache.close()
    print("done")
"""


def test_programs_and_threads_write_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)]
    programs = [
        subprocess.Popen(
            [*command, kind, step], cwd=ROOT, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for kind, step in (("one", "1"), ("one", "-1"), ("other", "1"))
    ]  # fmt: skip
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    for program in programs:
        assert program.communicate(timeout=100) == ("done\n", "")
    saved = many(150)
    for kind in ("one", "other"):
        cache = EmbeddingCache(tmp_path, kind, WIDTH)
        found = cache.load_many(saved)
        assert found.keys() == saved.keys()
        assert_part_of(found, saved)
        cache.close()
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_pictures_that_are_gone_are_forgotten(tmp_path: Path, cache: EmbeddingCache) -> None:
    cache.save(HASH, looks())
    cache.save(OTHER_HASH, looks())
    execute(tmp_path, "UPDATE pictures SET written_at = written_at - 100")
    EmbeddingCache(tmp_path, "kind", WIDTH).prune([HASH])
    assert cache.load(HASH) is not None
    assert cache.load(OTHER_HASH) is None


def test_what_another_program_has_just_written_stays(cache: EmbeddingCache) -> None:
    cache.save(HASH, looks())
    cache.prune([])
    assert cache.load(HASH) is not None


def test_a_picture_that_is_undone_is_forgotten_for_every_network(tmp_path: Path) -> None:
    caches = [EmbeddingCache(tmp_path, kind, WIDTH) for kind in ("one", "other")]
    for one in caches:
        one.save(HASH, looks())
    caches[0].discard(HASH)
    assert [one.load(HASH) for one in caches] == [None, None]


def test_few_networks_are_remembered(tmp_path: Path) -> None:
    for number in range(7):
        one = EmbeddingCache(tmp_path, f"kind{number}", WIDTH)
        one.save(HASH, looks())
        kind = f"kind{number}".encode()
        execute(tmp_path, "UPDATE kinds SET used_at = ? WHERE kind = ?", number, kind)
    EmbeddingCache(tmp_path, "kind2", WIDTH).prune([HASH])
    names = {kind for kind, _ in kept_embeddings(tmp_path)}
    assert names == {"kind2", "kind4", "kind5", "kind6"}


def test_a_file_shrinks_when_pictures_are_gone(tmp_path: Path, cache: EmbeddingCache) -> None:
    saved = many(300)
    cache.save_many(saved)
    execute(tmp_path, "UPDATE pictures SET written_at = written_at - 100")
    before = (tmp_path / FILE_NAME).stat().st_size
    few = list(saved)[::30]
    EmbeddingCache(tmp_path, "kind", WIDTH).prune(few)
    assert (tmp_path / FILE_NAME).stat().st_size < before / 8
    assert cache.load_many(saved).keys() == set(few)


def test_only_so_much_is_kept(
    tmp_path: Path, cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = many(15)
    names = list(saved)
    cache.save(HASH, looks())
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        (each,) = connection.execute("SELECT length(content) FROM pictures").fetchone()
    cache.discard(HASH)
    monkeypatch.setattr(embedding_cache, "_MOST_BYTES", 10 * each)
    cache.save_many({name: saved[name] for name in names[:8]})
    other = EmbeddingCache(tmp_path, "kind", WIDTH)
    other.save_many({name: saved[name] for name in names[8:]})
    assert cache.load_many(saved).keys() == set(names[:10])
    cache.discard(names[0])
    other.save_many({name: saved[name] for name in names[10:]})
    assert cache.load_many(saved).keys() == set(names[1:11])
    EmbeddingCache(tmp_path, "another kind", WIDTH).save(HASH, looks())
    assert len(kept_embeddings(tmp_path)) == 11


@pytest.mark.parametrize("kept", [10**12, -5, "text", None])
def test_a_damaged_sum_refuses_nothing(tmp_path: Path, cache: EmbeddingCache, kept: object) -> None:
    cache.save(HASH, looks())
    right = "SELECT bytes = (SELECT sum(length(content)) FROM pictures) FROM kinds"
    execute(tmp_path, "UPDATE kinds SET bytes = ?", kept)
    cache.save_many(many(70))
    assert len(cache.load_many(many(70))) == 70
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert connection.execute(right).fetchall() == [(1,)]


def test_what_earlier_versions_kept_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / ".embeddings" / "0123456789abcdef01234567"
    folder.mkdir(parents=True)
    (folder / HASH).write_bytes(b"kept")
    (folder / f".{HASH}.01234567").write_bytes(b"partial")
    EmbeddingCache(tmp_path, "kind", WIDTH)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "place", ["notes.txt", "kind/x", "0123456789abcdef01234567/mine.jpg", f"{HASH[:24]}/{HASH}/x"]
)
def test_a_folder_of_that_name_with_anything_else_in_it_stays(tmp_path: Path, place: str) -> None:
    folder = tmp_path / ".embeddings"
    (folder / place).parent.mkdir(parents=True)
    (folder / place).write_text("mine")
    (folder / "ab0123456789abcdef012345").mkdir()
    (folder / "ab0123456789abcdef012345" / HASH).write_bytes(b"kept")
    EmbeddingCache(tmp_path, "kind", WIDTH)
    assert (folder / place).read_text() == "mine"
    assert (folder / "ab0123456789abcdef012345" / HASH).exists()


def test_seed_and_mirroring_and_network_are_kept_apart() -> None:
    graph = tiny_features()
    other = onnx.ModelProto()
    other.CopyFrom(graph)
    other.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.array(0.5, np.float32), graph.graph.initializer[0].name)
    )
    kinds = [
        cache_key(graph, 0, True),
        cache_key(graph, 1, True),
        cache_key(graph, 0, False),
        cache_key(other, 0, True),
    ]
    assert len(set(kinds)) == 4
    assert cache_key(tiny_features(), 0, True) == kinds[0]


def initializers(model: Path) -> dict[str, NDArray[np.generic]]:
    graph = onnx.load(model).graph
    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


@pytest.mark.parametrize("seed", [0, 5])
def test_a_model_is_the_same_bit_for_bit_where_pictures_were_remembered(
    tmp_path: Path, squeezenet_weights: Path, seed: int
) -> None:
    write_coloured_pictures(tmp_path / "pictures", 6)
    command = [str(tmp_path / "pictures"), "--mode", "head", "--weights", str(squeezenet_weights)]
    command += ["--input-size", "64", "--seed", str(seed), "--output"]
    train.main([*command, str(tmp_path / "cold")])
    before = kept_embeddings(tmp_path / "pictures")
    assert len(before) == 24  # each mirrored as well
    train.main([*command, str(tmp_path / "warm")])
    assert kept_embeddings(tmp_path / "pictures") == before, "all was remembered"
    cold = initializers(tmp_path / "cold" / "model.onnx")
    warm = initializers(tmp_path / "warm" / "model.onnx")
    assert warm.keys() == cold.keys()
    for name, value in cold.items():
        np.testing.assert_array_equal(value, warm[name], err_msg=name)
