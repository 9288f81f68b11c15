"""What the embedded backend learns from runs and hops."""

import time
from math import inf

import pytest

from gateway.backends.onnx.timing import LATEST_HOPS, Hops, RunTimes
from gateway.types import Tensors


def batch(rows: int) -> Tensors:
    """Returns rows of ten doubles."""
    return Tensors(rows, ((10,),), (bytes(80 * rows),))


def test_a_size_that_was_not_seen_is_not_known() -> None:
    times = RunTimes()
    times.record(batch(1), 0.001)
    assert times.expect(batch(1)) == 0.001
    assert times.expect(batch(16)) == inf


def test_the_size_of_a_batch_is_the_bytes_of_all_its_inputs() -> None:
    times = RunTimes()
    times.record(Tensors(1, ((10,), (10,)), (bytes(80), bytes(80))), 0.001)
    assert times.expect(batch(2)) == 0.001
    assert times.expect(batch(1)) == inf


def test_a_slow_run_counts_at_once_and_a_fast_one_by_half() -> None:
    times = RunTimes()
    for seconds in (0.001, 0.009, 0.001):
        times.record(batch(1), seconds)
    assert times.expect(batch(1)) == pytest.approx(0.005)


def test_one_late_hop_does_not_change_what_a_hop_costs() -> None:
    hops = Hops()
    for seconds in (50e-6, 60e-6, 0.064, 55e-6):
        hops.record(seconds)
    assert hops.cost < 70e-6


def test_hops_are_stale_until_enough_were_measured() -> None:
    hops = Hops()
    for _ in range(LATEST_HOPS):
        assert hops.stale
        hops.record(50e-6)
    assert not hops.stale


def test_the_clock_of_hops_stands_still_while_the_loop_runs_a_model() -> None:
    hops, stood = Hops(), 0.02
    before = hops.clock()
    hops.stop_clock()
    time.sleep(stood)
    during = hops.clock()
    time.sleep(stood)
    hops.start_clock()
    assert during - before < stood / 2
    assert hops.clock() - before < stood / 2
    time.sleep(stood)
    assert hops.clock() - before >= stood
