"""Chooses the arm that answers a call: the champion, or the version that the caller pins."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import InvalidRequest, NotFound
from gateway.types import Arm, Model

PINNED = "pinned"
MOST_DIGITS = 18  # fits 64 bits


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
        known = self.models.get(model)
        if known is None:
            raise NotFound("MODEL_UNKNOWN", f"Request for unknown model: '{model}' is not found", model=model)
        return known.arms[0] if not version else pinned_arm(known, version)


def pinned_arm(model: Model, version: str) -> Arm:
    """Finds the version that a caller pins.

    Raises:
        NotFound: The version is not live.
        InvalidRequest: The version is not a number.
    """
    if not (version.isascii() and version.isdecimal()) or len(version) > MOST_DIGITS or int(version) == 0:
        raise InvalidRequest(
            "INVALID_FIELD",
            f"failed to get model version from specified version string '{version}' (details: stol), "
            "version should be an integral value > 0",
            model=model.name,
        )
    found = model.versions.get(int(version))
    if found is None:
        raise NotFound(
            "MODEL_UNKNOWN",
            f"Request for unknown model: '{model.name}' version {int(version)} is not found",
            model=model.name,
        )
    return next((arm for arm in model.arms if arm.version is found), Arm(PINNED, found))
