"""Says what is wrong with shadows, each thing once a minute: a shadow that fails fails every call."""

from time import monotonic

import structlog

from gateway.errors import GatewayError
from gateway.types import Shadow

QUIET_SECONDS = 60.0
MOST_KNOWN = 1024

log = structlog.get_logger(__name__)


class Complaints:
    """Tells of shadows that fail."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, int, str], float] = {}

    def tell(self, shadow: Shadow, error: Exception) -> None:
        """Logs why a shadow failed, unless that was done a moment ago."""
        model, number = shadow.version.model, shadow.version.number
        reason = error.reason if isinstance(error, GatewayError) else type(error).__name__
        key, now = (model, shadow.name, number, reason), monotonic()
        if now - self._told.get(key, -QUIET_SECONDS) < QUIET_SECONDS:
            return
        if len(self._told) >= MOST_KNOWN:
            self._told.clear()
        self._told[key] = now
        unexpected = None if isinstance(error, GatewayError) else error
        said = {"model": model, "arm": shadow.name, "version": number, "reason": reason, "problem": str(error)}
        log.warning("a shadow fails", **said, exc_info=unexpected)
