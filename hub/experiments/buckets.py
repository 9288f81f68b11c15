"""Divides the 10,000 buckets of an experiment among its arms, so that as few as possible change theirs. No I/O."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from hub.registry.records import CHAMPION

BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Neighbouring buckets of one arm.

    Attributes:
        arm: Its name.
        first: The lowest.
        count: How many.
    """

    arm: str
    first: int
    count: int


def allocate(before: Sequence[Slice], weights: Mapping[str, int]) -> tuple[Slice, ...]:
    """Returns who has which buckets from now on, in ascending order.

    A challenger that shrinks gives up its highest buckets, the champion its lowest; challengers that grow take the
    lowest that are free, one after the other by name. No bucket moves that need not: as many as arms grow by.

    Args:
        before: Who had which; what nobody had is the champion's.
        weights: Buckets of each challenger, 10,000 together at the most; the champion has the rest.
    """
    whole = {**weights, CHAMPION: BUCKETS - sum(weights.values())}
    if shares(before) == {arm: count for arm, count in whole.items() if count} and is_whole(before):
        return tuple(before)
    owners = _owners(before)
    had = {arm: [bucket for bucket, owner in enumerate(owners) if owner == arm] for arm in {*owners, *whole}}
    free = sorted(bucket for arm, buckets in had.items() for bucket in _given_up(arm, buckets, whole.get(arm, 0)))
    left = iter(free)
    for arm in sorted(weights):
        for bucket in islice(left, max(weights[arm] - len(had[arm]), 0)):
            owners[bucket] = arm
    for bucket in left:
        owners[bucket] = CHAMPION
    return _slices(owners)


def shares(slices: Iterable[Slice]) -> dict[str, int]:
    """Returns how many buckets each arm has."""
    found = Counter[str]()
    for each in slices:
        found[each.arm] += each.count
    return dict(found)


def is_whole(slices: Iterable[Slice]) -> bool:
    """Whether slices are all buckets, once each, in ascending order."""
    following = 0
    for each in slices:
        if each.first != following or each.count < 1:
            return False
        following += each.count
    return following == BUCKETS


def format_slices(slices: Sequence[Slice]) -> str:
    """Returns slices as a tag keeps them, such as `challenger:0-999;champion:1000-9999`."""
    arms = dict.fromkeys(each.arm for each in slices)
    ranges = {
        arm: [f"{each.first}-{each.first + each.count - 1}" for each in slices if each.arm == arm] for arm in arms
    }
    return ";".join(f"{arm}:{','.join(ranges[arm])}" for arm in arms)


def parse_slices(text: str) -> tuple[Slice, ...]:
    """Reads what `format_slices` writes; nothing where somebody edited it so that it says nothing."""
    found = []
    try:
        for part in text.split(";") if text else ():
            arm, ranges = part.split(":")
            for span in ranges.split(","):
                first, last = map(int, span.split("-"))
                found.append(Slice(arm, first, last - first + 1))
    except ValueError:
        return ()
    ordered = tuple(sorted(found, key=lambda each: each.first))
    return ordered if is_whole(ordered) else ()


def _owners(slices: Iterable[Slice]) -> list[str]:
    owners = [CHAMPION] * BUCKETS
    for each in slices:
        owners[each.first : each.first + each.count] = [each.arm] * each.count
    return owners[:BUCKETS]


def _given_up(arm: str, buckets: Sequence[int], count: int) -> Sequence[int]:
    """Returns the buckets that an arm loses which shall have `count`."""
    surplus = max(len(buckets) - count, 0)
    return buckets[:surplus] if arm == CHAMPION else buckets[len(buckets) - surplus :]


def _slices(owners: Sequence[str]) -> tuple[Slice, ...]:
    found, first = [], 0
    for arm, run in groupby(owners):
        count = sum(1 for _ in run)
        found.append(Slice(arm, first, count))
        first += count
    return tuple(found)
