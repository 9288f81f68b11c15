"""Reads the version that a caller pins."""

import re

from gateway.errors import InvalidRequest

NUMBERS_END = 2**63

# What Triton's own reader takes for a number: blanks and a sign before it, and anything behind it.
NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?0*([0-9]{1,19}))")


def read_number(model: str, version: str) -> int:
    """Reads the version that a caller pins, as Triton does.

    Raises:
        InvalidRequest: It is not a number, or a negative one.
    """
    found = NUMBER.match(version)
    number = int(found[1]) if found and not version[found.end() : found.end() + 1].isdecimal() else NUMBERS_END
    if number >= NUMBERS_END or number < -NUMBERS_END:
        told = f"failed to get model version from specified version string '{version}' (details: stol), "
    elif number < 0:
        told = f"invalid model version specified '{version}' , "
    else:
        return number
    raise InvalidRequest("INVALID_FIELD", f"{told}version should be an integral value > 0", model=model)
