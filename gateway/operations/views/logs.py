"""The log level of each process."""

from typing import Any

from gateway.logs import LEVELS
from gateway.operations.log_level import read_level
from gateway.operations.look import Look


def show(look: Look) -> dict[str, Any]:
    """Returns the level that is asked for, and that of each process."""
    return {"wanted": read_level(look.sources.telemetry), "levels": LEVELS, "states": look.states}
