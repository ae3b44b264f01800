"""Parts of a call over threads."""

import os
import threading

import pytest

from phy.parameters import ParameterError
from phy.threads import over_threads


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [0, 1, 2, 5, 100])
def test_every_index_once(threads, size):
    seen = []
    assert over_threads(lambda first, last: seen.extend(range(first, last)), size, threads) == -1
    assert sorted(seen) == list(range(size))


def test_codes():
    assert over_threads(lambda first, last: -2 if first == 0 else -1, 8, 4) == -2
    assert over_threads(lambda first, last: first if first > 2 else -2, 8, 4) == 4
    with pytest.raises(ParameterError, match="threads = 0: must be >= 1"):
        over_threads(lambda first, last: -1, 8, 0)


@pytest.mark.parametrize("where", [0, 6])
def test_an_error_is_raised_after_all_parts_have_ended(where):
    ended = []

    def run(first, last):
        if first == where:
            raise ValueError(f"part {first}")
        ended.append(first)

    with pytest.raises(ValueError, match=f"part {where}"):
        over_threads(run, 8, 4)
    assert sorted(ended) == [i for i in (0, 2, 4, 6) if i != where]


def test_calls_from_several_threads_do_not_mix():
    wrong = []

    def parts_of(number):
        seen = []
        over_threads(lambda first, last: seen.append((number, first)), 9, 3)
        return sorted(seen)

    def caller(number):
        for _ in range(50):
            if parts_of(number) != [(number, 0), (number, 3), (number, 6)]:
                wrong.append(number)

    callers = [threading.Thread(target=caller, args=(i,)) for i in range(4)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_starts_its_own():
    over_threads(lambda first, last: None, 4, 2)
    child = os.fork()
    if child == 0:
        seen: list[int] = []
        over_threads(lambda first, last: seen.extend(range(first, last)), 4, 2)
        os._exit(0 if sorted(seen) == [0, 1, 2, 3] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
