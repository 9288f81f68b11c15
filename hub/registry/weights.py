"""How much of a model's traffic an alias takes: a percentage in steps of 0.01, kept as the tag `weight.<alias>`."""

from hub.errors import HubError

PREFIX = "weight."
_WHOLE = 100
_STEPS = 100  # per percent
_TOLERANCE = 1e-6  # of a step: binary fractions miss most steps by less


def weight_tag(alias: str) -> str:
    """Returns the key of the registered model's tag."""
    return f"{PREFIX}{alias}"


def format_weight(weight: float) -> str:
    """Returns a percentage as the tag says it, such as `10` or `0.25`.

    Raises:
        HubError: It is not between 0 and 100, or lies between two steps.
    """
    return percent_of(_basis_points(weight))


def parse_weight(text: str) -> int:
    """Returns the hundredths of a percent that a tag means.

    Raises:
        HubError: It is no number from 0 to 100, or lies between two steps.
    """
    try:
        weight = float(text)
    except ValueError:
        raise HubError(f"{text!r} is no weight: write a percentage from 0 to 100, such as 10 or 0.25") from None
    return _basis_points(weight)


def percent_of(basis_points: int) -> str:
    """Returns hundredths of a percent as a percentage, such as `10` or `0.25`."""
    return f"{basis_points / _STEPS:g}"


def _basis_points(weight: float) -> int:
    steps = round(weight * _STEPS) if 0 <= weight <= _WHOLE else -1
    if steps < 0 or abs(weight * _STEPS - steps) > _TOLERANCE:
        raise HubError(f"a weight of {weight} is not possible: give a percentage from 0 to 100 in steps of 0.01")
    return steps
