"""Tells, once each, that no node is ready for an arm, and that one is again."""

from collections.abc import Iterable

import structlog

from gateway.types import Arm

log = structlog.get_logger(__name__)

Missing = tuple[str, str, str, int]


class Absences:
    """The arms that have a share of an experiment and that no node can answer for."""

    def __init__(self) -> None:
        self._known: frozenset[Missing] = frozenset()

    def tell(self, unready: Iterable[Arm]) -> None:
        """Logs what has changed since the last time."""
        now = frozenset((arm.version.model, arm.experiment, arm.name, arm.version.number) for arm in unready)
        for each in sorted(now - self._known):
            log.error("no node is ready for an arm: the champion answers in its place", **said(each))
        for each in sorted(self._known - now):
            log.info("an arm answers again, or has no share any more", **said(each))
        self._known = now


def said(missing: Missing) -> dict[str, str | int]:
    """Returns what is said of an arm."""
    model, experiment, arm, version = missing
    return {"model": model, "experiment": experiment, "arm": arm, "version": version}
