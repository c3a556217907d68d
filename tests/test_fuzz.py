"""Damaged model files and pictures give an answer or a sentence: a small part of the benchmark."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from random import Random

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it forks and bounds memory")

SECONDS = 7.0  # for each kind; a slow machine tries fewer files, never other ones
FEWEST = 25


@pytest.mark.parametrize("kind", ["models", "pictures"])
def test_damaged_files_give_an_answer_or_a_sentence(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks import fuzz, fuzz_models, fuzz_pictures

    monkeypatch.setattr(fuzz_models, "TRIED_WITHIN", 3.0)
    damage: fuzz.Damage
    ask: Callable[[bytes], str]
    if kind == "models":
        whole, damage = [fuzz_models.tiny_model()], fuzz_models.damaged_model
        ask = fuzz_models.ask_model
    else:
        whole, damage = fuzz_pictures.whole_pictures(), fuzz_pictures.damaged_picture
        ask = fuzz_pictures.ask_about_picture
    started, number = time.monotonic(), 0
    while number < FEWEST or time.monotonic() - started < SECONDS:
        found = fuzz.try_one(whole, damage, ask, 1, number)
        assert found.ending.outcome not in fuzz.BAD, (number, found.ending)
        number += 1


def test_the_same_seed_damages_the_same_way() -> None:
    from benchmarks import fuzz_models, fuzz_pictures

    model, pictures = [fuzz_models.tiny_model()], fuzz_pictures.whole_pictures()
    for number in range(20):
        one, other = (fuzz_models.damaged_model(model, Random(number)) for _ in range(2))
        assert one == other
        one, other = (fuzz_pictures.damaged_picture(pictures, Random(number)) for _ in range(2))
        assert one == other


def test_whole_files_are_answered() -> None:
    from benchmarks import fuzz_child, fuzz_models, fuzz_pictures

    found = fuzz_child.run_forked(lambda: fuzz_models.ask_model(fuzz_models.tiny_model()), 60)
    assert found.outcome == "answered", found
    for content in fuzz_pictures.whole_pictures():
        assert fuzz_pictures.ask_about_picture(content) == "read"


def test_each_bad_end_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import fuzz, fuzz_child

    def raises() -> str:
        raise RuntimeError("broken")

    def crashes() -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    def sleeps() -> str:
        time.sleep(60)
        return ""

    def greedy() -> str:
        return str(len(bytearray(b"\1") * 100_000_000))

    assert fuzz_child.run_forked(raises, 20).outcome == fuzz_child.RAISED
    assert fuzz_child.run_forked(crashes, 20).outcome == fuzz_child.CRASHED
    assert fuzz_child.run_forked(sleeps, 0.2).outcome == fuzz_child.HUNG
    monkeypatch.setattr(fuzz, "MEMORY", 50.0)
    found = fuzz.try_one([b""], lambda _whole, _random: b"", lambda _: greedy(), 0, 0)
    assert found.ending.outcome == fuzz.TOO_MUCH
