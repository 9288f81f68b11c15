"""Publishes again and again: whatever the registry says is live a moment later.

Looking is what counts; MLflow's webhooks only make the next look come sooner.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hub.conversions import Workshop
from hub.durability import explain
from hub.errors import HubError
from hub.live_catalog import LiveCatalog, open_catalog
from hub.publication import open_publisher, tell
from hub.publishing.outcome import Outcome
from hub.publishing.progress import Progress
from hub.publishing.refusals import Refusals
from hub.registry import ModelRegistry
from hub.repository import Repository
from hub.settings import HubSettings

_LONGEST_SECONDS = 30.0
_REMEMBERED = 20_000


@dataclass(slots=True)
class Reconciler:
    """Looks at the registry until it is told to stop; survives everything that may be down for a while.

    Attributes:
        settings: Of the hub.
        say: Takes a line per event; what stays as it is, is said once.
        progress: Shows what is being done.
        wake: Makes the next look come at once.
        stop: Ends it after the look under way.
    """

    settings: HubSettings
    say: Callable[[str], None]
    progress: Progress
    wake: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    _refusals: Refusals = field(default_factory=Refusals)
    _told: dict[tuple[str, int, str], Outcome] = field(default_factory=dict)
    _repository: Repository | None = None
    _fault: str | None = None
    _registry: ModelRegistry | None = None
    _catalog: LiveCatalog | None = None

    def run(self) -> None:
        """Looks, waits, looks again; waits longer while something that it needs is down."""
        failures = 0
        with Workshop(self.settings.convert_seconds, self.settings.convert_memory_mib) as workshop:
            workshop.start()  # it is warm when the first model comes
            while not self.stop.is_set():
                failures = 0 if self._look(workshop) else failures + 1
                seconds = min(self.settings.poll_seconds * 2 ** min(failures, 10), _LONGEST_SECONDS)
                self.wake.wait(max(seconds, self.settings.poll_seconds))
                self.wake.clear()

    def _look(self, workshop: Workshop) -> bool:
        """Publishes once; returns whether it could."""
        try:
            self._registry = self._registry or ModelRegistry(self.settings.registry_uri)
            self._catalog = self._catalog or open_catalog(self.settings)
            self._repository = self._repository or Repository(self.settings.repository)
            with open_publisher(
                self.settings,
                registry=self._registry,
                catalog=self._catalog,
                repository=self._repository,
                workshop=workshop,
                refusals=self._refusals,
                progress=self.progress,
            ) as publisher:
                publisher.publish(self._tell, wait=False)
        except (HubError, OSError) as error:
            self._registry = None  # which may be another one when it is back
            self._say_fault(explain(error) if isinstance(error, OSError) else str(error))
            return False
        except Exception as error:  # noqa: BLE001 - a defect that shows once must not end what everybody relies on
            self._say_fault(f"{type(error).__name__}: {error}; report this")
            return False
        self._say_fault(self._catalog.fault)
        return True

    def _tell(self, outcome: Outcome) -> None:
        """Says what became of a version or an experiment, unless it has been said."""
        key = outcome.name, outcome.version, outcome.experiment
        if self._told.pop(key, None) != outcome:
            tell(outcome, self._say)
        self._told[key] = outcome
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]  # the one that nothing was said of for longest

    def _say_fault(self, fault: str | None) -> None:
        if fault != self._fault:
            self._say(f"waiting: {fault}" if fault else "all is well again")
        self._fault = fault

    def _say(self, words: str) -> None:
        self.say(f"{datetime.now().astimezone():%H:%M:%S} {words}")
