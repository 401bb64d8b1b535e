"""One object is set to work by one caller at a time, whatever threads do."""

from __future__ import annotations

import threading

import pytest

from gradstep.errors import BusyError
from gradstep.utils.busy import alone, at_work

THREADS = 8


class Work:
    """Waits until it is told that all others have been refused."""

    def __init__(self) -> None:
        self.others_are_refused = threading.Event()

    @alone
    def run(self) -> bool:
        return self.others_are_refused.wait(30)

    @alone
    def fail(self) -> None:
        raise ValueError("as it is")


def test_of_threads_that_come_at_once_one_works_and_the_others_are_told() -> None:
    work, start, worked, refused = Work(), threading.Barrier(THREADS), [], []

    def call() -> None:
        start.wait()
        try:
            worked.append(work.run())
        except BusyError:
            refused.append(True)
            if len(refused) == THREADS - 1:
                work.others_are_refused.set()

    threads = [threading.Thread(target=call) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (worked, refused) == ([True], [True] * (THREADS - 1))


def test_what_failed_may_be_set_to_work_again_while_its_error_is_kept() -> None:
    work = Work()
    with pytest.raises(ValueError, match="as it is") as kept:
        work.fail()
    work.others_are_refused.set()
    assert work.run()
    assert kept.value.__traceback__ is not None


def test_blocks_within_each_other_end_with_the_outermost() -> None:
    work = Work()
    work.others_are_refused.set()
    with at_work(work):
        with at_work(work):
            pass
        with pytest.raises(BusyError, match=r"Work\.run must not be called"):
            work.run()
    assert work.run()
