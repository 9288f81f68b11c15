"""Gives experiments of a group buckets of their own, over all models, so that a unit meets one of them at most."""

import fcntl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hub.errors import HubError
from hub.experiments.buckets import BUCKETS
from hub.experiments.design import Exclusion, read_design
from hub.experiments.reading import names_of
from hub.registry.records import RegisteredModel
from hub.registry.weights import percent_of


def find_room(group: str, buckets: int, taken: Iterable[Exclusion]) -> Exclusion:
    """Returns the first buckets in a row that nobody has.

    Args:
        group: Name of the group.
        buckets: How many.
        taken: What others have, of any group.

    Raises:
        HubError: There are none; the message says what is free.
    """
    free = _gaps(each for each in taken if each.group == group)
    for first, count in free:
        if count >= buckets:
            return Exclusion(group=group, first=first, buckets=buckets)
    rest = (
        ", ".join(f"{percent_of(count)} % (buckets {first}-{first + count - 1})" for first, count in free) or "nothing"
    )
    raise HubError(
        f"the group {group} has no {percent_of(buckets)} % in a row: {rest} is free; ask for less, or stop an "
        "experiment of the group"
    )


def taken_ranges(models: Mapping[str, RegisteredModel]) -> list[Exclusion]:
    """Returns what experiments of all models have, of any group; one that cannot be read has nothing."""
    found = []
    for model in models.values():
        for name in names_of(model.tags):
            try:
                exclusion = read_design(model.name, name, model.tags).exclusion
            except HubError:
                continue
            found += [exclusion] if exclusion else []
    return found


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps others on this machine from being given the same buckets meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "experiments.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _gaps(taken: Iterable[Exclusion]) -> list[tuple[int, int]]:
    """Returns the first bucket and the length of what is free."""
    found, following = [], 0
    for each in sorted(taken, key=lambda each: each.first):
        if each.first > following:
            found.append((following, each.first - following))
        following = max(following, each.first + each.buckets)
    return [*found, (following, BUCKETS - following)] if following < BUCKETS else found
