"""Remembers what was refused, so that a hub that watches does not convert the same model again every second."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from hub.registry.records import RegisteredModel, RegisteredVersion
from hub.registry.tags import OVERRIDE

_FIRST_SECONDS, _LONGEST_SECONDS = 5.0, 300.0
_LONGEST_DELAY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    subject: Hashable
    again: float
    wait: float


@dataclass(slots=True)
class Refusals:
    """Says which refused versions wait; nodes may be back and disks may have room by the time of the next try.

    Attributes:
        clock: Seconds from any start.
    """

    clock: Callable[[], float] = time.monotonic
    _known: dict[tuple[str, str], _Refusal] = field(default_factory=dict)

    def waits(self, model: RegisteredModel, alias: str) -> bool:
        """Whether an alias still points at what was refused, and it is too early to try again."""
        known = self._known.get((model.name, alias))
        return known is not None and known.subject == _subject(model, alias) and self.clock() < known.again

    def note(self, model: RegisteredModel, alias: str, *, delayed: bool = False) -> None:
        """Notes a refusal; each waits twice as long as the one before.

        Args:
            model: What the registry says.
            alias: What points at the refused version.
            delayed: Whether it is not the version's own fault: then it is tried again soon.
        """
        longest = _LONGEST_DELAY_SECONDS if delayed else _LONGEST_SECONDS
        subject, known = _subject(model, alias), self._known.get((model.name, alias))
        again = known is not None and known.subject == subject
        wait = min(2 * known.wait, longest) if known and again else _FIRST_SECONDS
        self._known[model.name, alias] = _Refusal(subject, self.clock() + wait, wait)

    def forget(self, model: RegisteredModel, alias: str) -> None:
        """Notes that an alias is live."""
        self._known.pop((model.name, alias), None)


def _subject(model: RegisteredModel, alias: str) -> Hashable:
    """What a refusal depends on: the version, and how the model is to be served."""
    version: RegisteredVersion = model.versions[alias]
    return version.number, version.source, version.tags.get(OVERRIDE), tuple(sorted(model.tags.items()))
