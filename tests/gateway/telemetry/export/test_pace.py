"""A thread that has much to compute leaves half of a core, and the interpreter, to those that answer calls."""

from time import perf_counter, thread_time

from gateway.telemetry.export.pace import TURN_SECONDS, Pace, Paced

ITEMS, ITEM_SECONDS = 1_000, 0.0002


def compute() -> None:
    """Computes for the time of an item."""
    until = thread_time() + ITEM_SECONDS
    while thread_time() < until:
        pass


def test_computing_takes_half_of_a_core_at_most() -> None:
    computed, began = thread_time(), perf_counter()
    for _ in Paced([None] * ITEMS, Pace().over):
        compute()
    assert thread_time() - computed < 0.6 * (perf_counter() - began)


def test_rests_are_many() -> None:
    rests, (slept, computed) = 0, (perf_counter(), thread_time())
    for _ in Paced([None] * ITEMS, Pace().over):
        rests += perf_counter() - slept - (thread_time() - computed) > TURN_SECONDS / 2
        compute()
        slept, computed = perf_counter(), thread_time()
    assert rests > ITEMS * ITEM_SECONDS / TURN_SECONDS / 2


def test_all_items_come_in_order() -> None:
    items = list(range(ITEMS))
    paced = Paced(items, Pace().over)
    assert list(paced) == items
    assert (len(paced), paced[3], paced[:2]) == (ITEMS, 3, [0, 1])
