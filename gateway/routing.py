"""Chooses the arm that answers a call: the champion, or the version that the caller pins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import InvalidRequest, NotFound
from gateway.types import Arm, Model

NUMBERS_END = 2**63

# What Triton's own reader takes for a number: blanks and a sign before it, and anything behind it.
NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?0*([0-9]{1,19}))")


@dataclass(frozen=True, slots=True)
class Routes:
    """The live models of one generation of the catalog."""

    models: Mapping[str, Model]

    def choose(self, model: str, version: str) -> Arm:
        """Names the arm that answers; errors carry Triton's own words.

        Raises:
            NotFound: No such model or version is live.
            InvalidRequest: The version is not a number.
        """
        number = read_number(model, version) if version else 0
        known = self.models.get(model)
        if known is None:
            raise NotFound("MODEL_UNKNOWN", f"Request for unknown model: '{model}' is not found", model=model)
        return pinned_arm(known, number) if version else known.champion


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


def pinned_arm(model: Model, number: int) -> Arm:
    """Finds the version that a caller pins.

    Raises:
        NotFound: The version is not live.
    """
    found = model.pinned(number)
    if found is None:
        raise NotFound(
            "MODEL_UNKNOWN",
            f"Request for unknown model: '{model.name}' version {number} is not found",
            model=model.name,
        )
    return found
