"""CPU time of process trees."""

import os
import subprocess
import sys

from benchmarks.measuring.cpu import (
    TICKS_PER_SECOND,
    Process,
    machine_seconds,
    parse_machine,
    parse_stat,
    tree_seconds,
    trees,
)

STAT = "4262 (a (b) c) S 4245 4262 4262 0 -1 4194560 4037 69382 0 54 100 200 300 400 20 0 1 0 2191251 5124096 935"
BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"


def test_stat_tells_parent_and_times_whatever_the_name() -> None:
    assert parse_stat(STAT) == Process(4262, 4245, 1000 / TICKS_PER_SECOND)


def test_tree_is_the_roots_and_what_descends_from_them() -> None:
    known = [Process(1, 0, 1.0), Process(2, 1, 1.0), Process(3, 2, 1.0), Process(4, 3, 1.0), Process(5, 1, 1.0)]
    assert [process.pid for process in trees([3, 5], known)] == [3, 4, 5]
    assert not trees([6], known)


def test_time_of_a_child_counts_and_of_a_stranger_does_not() -> None:
    before = tree_seconds([os.getpid()])
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert tree_seconds([child.pid]) >= 0.25
        assert tree_seconds([os.getpid()]) - before >= 0.25
        child.communicate(b"\n")


def test_time_of_the_machine_counts_neither_idling_nor_waiting() -> None:
    assert parse_machine("cpu  100 20 30 9999 999 4 5 6 0 0\ncpu0 1 1") == 165 / TICKS_PER_SECOND
    assert machine_seconds() > 0
