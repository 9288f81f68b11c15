"""Finds what somebody altered or took away from a model's history. No I/O.

Whoever writes MLflow's database can still take the last entry away together with the link to it, or write every entry
anew: the chain makes tampering with one entry visible, not the work of somebody who rewrites all of them.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from hub.history.entry import digest_of
from hub.history.runs import Kept


def find_faults(kept: Sequence[Kept], first: Sequence[str]) -> list[str]:
    """Returns what is wrong, in words.

    Args:
        kept: Everything that is kept of the model.
        first: Runs that were linked as the first change of the model.
    """
    ordered = sorted(kept, key=lambda each: each.sequence)
    edited = [
        f"entry {each.sequence} was edited (run {each.run_id})"
        for each in ordered
        if each.entry is None or digest_of(each.body) != each.digest
    ]
    return [*edited, *_find_breaks(ordered), *_find_missing(ordered, first)]


def _find_breaks(ordered: Sequence[Kept]) -> Iterator[str]:
    """Compares every entry with the one before."""
    for before, each in pairwise(ordered):
        if each.sequence == before.sequence:
            yield f"there are two entries {each.sequence}: one was put there by hand"
        elif each.entry and each.sequence == before.sequence + 1 and each.entry.previous != digest_of(before.body):
            yield f"entry {each.sequence} does not follow entry {before.sequence}: one of them was edited"


def _find_missing(ordered: Sequence[Kept], first: Sequence[str]) -> Iterator[str]:
    """Names numbers that nobody bears, up to what was linked last."""
    numbers, present = {each.sequence for each in ordered}, {each.run_id for each in ordered}
    following = ordered[-1].following if ordered else first
    last = max(numbers, default=0) + sum(run_id not in present for run_id in following)
    yield from (f"entry {number} is gone" for number in range(1, last + 1) if number not in numbers)
