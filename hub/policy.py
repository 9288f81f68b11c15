"""Policy values of a model, as its registered model's tags carry them: `policy.<name>` = `0.05,0.2`."""

import math
from collections.abc import Mapping

from hub.errors import ModelRefusedError

PREFIX = "policy."

Policy = Mapping[str, tuple[float, ...]]


def parse_policy(tags: Mapping[str, str]) -> Policy:
    """Reads the policy out of all tags of a model.

    Raises:
        ModelRefusedError: A policy tag is not a list of finite numbers.
    """
    return {key.removeprefix(PREFIX): _values(key, text) for key, text in tags.items() if key.startswith(PREFIX)}


def _values(key: str, text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(map(math.isfinite, values)):
        raise ModelRefusedError(f"tag {key} is {text!r}: write numbers separated by commas, such as 0.05,0.2")
    return values
