"""Calls in threads, a few ahead, and what came of them in its order."""

from __future__ import annotations

import threading

import pytest

from webcam_classifier.worker_threads import run_ahead

WAIT = 20.0  # seconds, for a thread that has something to do


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_the_order_of_the_items_with_errors_in_their_places(workers: int) -> None:
    def invert(number: int) -> float:
        return 1 / (number - 4)

    for number, inverted in run_ahead(invert, range(9), workers):
        if number == 4:
            with pytest.raises(ZeroDivisionError):
                inverted()
        else:
            assert inverted() == 1 / (number - 4)


def test_two_calls_run_at_once() -> None:
    both = threading.Barrier(2)
    found = run_ahead(lambda _: both.wait(WAIT), range(2), 2)
    assert sorted(place() for _, place in found) == [0, 1], "each waits for the other"


def test_what_has_not_begun_is_left_out_where_it_is_broken_off() -> None:
    begun: list[int] = []
    has_begun, may_go_on = threading.Event(), threading.Event()

    def call(number: int) -> int:
        begun.append(number)
        if number == 1:
            has_begun.set()
            may_go_on.wait(WAIT)
        return number

    calls = run_ahead(call, range(100), 1)
    assert next(calls)[1]() == 0
    assert has_begun.wait(WAIT)
    threading.Timer(2.0, may_go_on.set).start()  # long after `close` has begun
    calls.close()  # type: ignore[attr-defined]  # it is a generator
    assert begun == [0, 1], "the next one or two were waiting for their turn"
    assert not any(thread.name.startswith("ThreadPool") for thread in threading.enumerate())
