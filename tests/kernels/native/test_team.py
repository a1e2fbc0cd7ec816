"""The team of threads: start, barriers, forks, other Python threads, numbers that change."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.kernels.native import team
from deltarule.kernels.native.products import product
from tests.kernels.native.machines import on_threads
from tests.kernels.native.python_process import printed
from tests.kernels.native.written import written


@pytest.fixture(scope="module")
def parts() -> Any:
    """Each thread notes itself, and the part of `length` that it has, in grains of 3."""

    def body(code, seen, owner, length):
        (seen + code.thread).put(code.index(code.threads).to("int64"))
        low, high = code.share(length, 3)
        for i in code.range(low, high):
            place = owner + i
            place.put(place.number() * 100 + (code.thread + 1).to("int64"))

    return written(["int64*", "int64*", "index"], body)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 50])
def test_every_thread_has_its_part_and_each_element_one_owner(parts, count, length):
    with on_threads(count):
        for _ in range(20):
            seen, owner = np.zeros(8, np.int64), np.zeros(length, np.int64)
            parts(team.threads(), seen, owner, length)
            assert seen.tolist() == [count] * count + [0] * (8 - count)
            assert (owner > 0).all()
            assert (owner <= count).all()
            assert (np.diff(owner) >= 0).all()
            assert all(len(set(owner[first : first + 3])) == 1 for first in range(0, length, 3))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_barriers(count):
    """After each barrier every thread finds what all wrote before it: rounds of sums."""

    def body(code, held, rounds):
        for i in code.range(rounds):
            here, there = held + i % 2 * 8, held + (i + 1) % 2 * 8
            total = code.variable(code.index(0).to("int64"))
            for j in code.range(code.threads):
                total.value = total.value + here[j].number()
            there.put(total.value + code.thread.to("int64"), code.thread)
            code.barrier()

    with on_threads(count):
        held = np.zeros((2, 8), np.int64)
        held[0, :count] = 1
        written(["int64*", "index"], body)(team.threads(), held, 12)
    expected = np.ones(count, np.int64)
    for _ in range(12):
        expected = expected.sum() + np.arange(count)
    np.testing.assert_array_equal(held[0, :count], expected)


def test_more_threads_are_asked_for_than_there_are_workers(parts):
    seen = np.zeros(2000, np.int64)
    parts(1000, seen, np.zeros(5, np.int64), 5)
    used = int(seen[0])
    assert 1 <= used < 1000
    assert seen.tolist() == [used] * used + [0] * (2000 - used)


def test_the_number_goes_up_and_down(parts):
    before = dr.get_num_threads()
    try:
        for count in (1, 4, 2, 5, 1, 3):
            dr.set_num_threads(count)
            seen = np.zeros(8, np.int64)
            parts(team.threads(), seen, np.zeros(9, np.int64), 9)
            assert seen.tolist() == [count] * count + [0] * (8 - count)
            assert dr.get_num_threads() == count
    finally:
        dr.set_num_threads(before)


def test_python_threads_that_call_kernels_at_once():
    generator = np.random.default_rng(0)
    pairs = [generator.integers(-4, 5, (2, 90, 90)).astype(np.float32) for _ in range(8)]
    wrong: list[int] = []

    def work(number: int) -> None:
        a, b = pairs[number]
        expected = a @ b
        for _ in range(15):
            if not np.array_equal(product(a, b), expected):
                wrong.append(number)

    with on_threads(3):
        workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
    assert wrong == []


MATRICES = """
import numpy as np
from deltarule.kernels.native import team
from deltarule.kernels.native.products import product
a = np.arange(40000.0).reshape(200, 200) % 7
def check():
    assert np.array_equal(product(a, a), a @ a)
    return team._team.workers
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_was_forked_has_a_team_of_its_own():
    program = f"""{MATRICES}
import os, sys, warnings
warnings.simplefilter("ignore")  # that a process with threads forks
team.set_threads(3)
assert check() == 2
child = os.fork()
if child == 0:
    before = team._team.workers
    os._exit(0 if before == 0 and check() == 2 and check() == 2 else 1)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), check())
"""
    assert printed(program) == "0 2"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_processes_of_multiprocessing():
    program = f"""{MATRICES}
import multiprocessing, warnings
warnings.simplefilter("ignore")  # that a process with threads forks
team.set_threads(2)
check()
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.starmap(check, [()] * 4))
"""
    assert printed(program) == "[1, 1, 1, 1]"


def test_workers_that_python_holds_up_while_they_start():
    """A profiler holds a thread up on its way to native code; no job may count on it yet."""
    program = f"""{MATRICES}
import threading, time
team.set_threads(1)
check()
threading.setprofile(lambda *given: time.sleep(0.01))
team.set_threads(3)
print(check(), check())
"""
    assert printed(program) == "2 2"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DELTARULE_NUM_THREADS": "3"}, 3),
        ({"DELTARULE_NUM_THREADS": "2", "OMP_NUM_THREADS": "5"}, 2),
        ({"OMP_NUM_THREADS": "3,2"}, 3),
        ({"DELTARULE_NUM_THREADS": "many", "OMP_NUM_THREADS": "0"}, None),
        ({}, None),
    ],
)
def test_the_environment(variables, expected):
    program = f"{MATRICES}\nprint(team.thread_count(), check())"
    wanted = team.cores() if expected is None else expected
    assert printed(program, **variables) == f"{wanted} {wanted - 1}"


def test_importing_starts_no_thread():
    program = "import threading, deltarule\nprint(threading.active_count())"
    assert printed(program) == "1"
