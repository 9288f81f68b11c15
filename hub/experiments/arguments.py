"""Reads what people write on the command line of `gapura experiments`."""

from collections.abc import Iterable

from hub.errors import HubError
from hub.experiments.buckets import BUCKETS
from hub.experiments.tags import require_challenger
from hub.registry.weights import parse_weight, percent_of


def parse_arms(texts: Iterable[str]) -> dict[str, int]:
    """Returns shares in hundredths of a percent, from `challenger=10`.

    Raises:
        HubError: One is no challenger or no percentage, or they are too much together.
    """
    found = dict[str, int]()
    for text in texts:
        arm, separator, percent = text.partition("=")
        if not separator:
            raise HubError(f"{text!r} gives no arm a share: write ARM=PERCENT, such as challenger=10")
        require_challenger(arm)
        found[arm] = parse_weight(percent)
    require_room(found.values())
    return found


def require_room(weights: Iterable[int]) -> None:
    """Makes sure that shares are no more than all calls.

    Raises:
        HubError: They are.
    """
    total = sum(weights)
    if total > BUCKETS:
        raise HubError(f"the shares add up to {percent_of(total)} %: lower them to 100 % at the most")


def parse_conditions(texts: Iterable[str]) -> dict[str, list[str]]:
    """Returns values by request field, from `channel=web,app`.

    Raises:
        HubError: One names no field or no value.
    """
    found = dict[str, list[str]]()
    for text in texts:
        field, _, values = text.partition("=")
        split = [value for value in values.split(",") if value]
        if not field or not split:
            raise HubError(f"{text!r} is no condition: write FIELD=VALUE[,VALUE...], such as channel=web,app")
        found.setdefault(field, []).extend(split)
    return found
