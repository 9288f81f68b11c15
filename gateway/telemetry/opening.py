"""Opens what watches one process."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from gateway.telemetry.exemplars import Exemplars
from gateway.telemetry.export.export import Export
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.keeping import Keeper
from gateway.telemetry.levels import Levels
from gateway.telemetry.off import NoTelemetry, NoTrials
from gateway.telemetry.pulse import Pulse
from gateway.telemetry.sheet import open_sheet
from gateway.telemetry.spool import Spool
from gateway.telemetry.telemetry import Telemetry
from gateway.telemetry.trials import Trials


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which calls are kept.

    Attributes:
        head_ratio: Share of calls that are chosen when they come, where their callers do not say.
        slow_seconds: Calls that take longer are kept.
        slow_methods: The same for single methods, by path.
    """

    head_ratio: float
    slow_seconds: float
    slow_methods: dict[str, float]

    def slow(self, path: str) -> float:
        """Returns from when on a call of a method is slow."""
        return self.slow_methods.get(path.removeprefix("/"), self.slow_seconds)


class Watch:
    """What watches one process.

    Args:
        folder: Where all processes of a machine tell of themselves.
        role: What the process does.
        bounds: Which calls are kept.
        is_served: Says whether a path is one of a method.
        address: Where it is to listen.

    Raises:
        ConfigurationError: A variable of OpenTelemetry is not valid.

    Attributes:
        telemetry: Notes calls.
        trials: Counts calls of experiments.
        instruments: Make whatever else is to be counted.
        export: Exports traces and metrics, if it is asked to.
        parts: What each part says of itself now, by its name in the state; the process adds them.
    """

    def __init__(
        self, folder: Path, role: str, bounds: Bounds, is_served: Callable[[str], bool], address: str = ""
    ) -> None:
        self._sheet = sheet = open_sheet(folder, role)
        self.instruments, identity = Instruments(sheet), sheet.identity
        instruments = self.instruments
        worker, version = f"{role}-{identity.number}", package_version("gapura")
        writable = folder if sheet.mapped else None
        spool, exemplars = None if writable is None else Spool(writable, worker), Exemplars()
        self.export = Export(folder if spool else None, sheet, instruments, exemplars, version, address)
        self._keeper = Keeper(instruments, worker, spool, exemplars, self.export.offer)
        self.telemetry = Telemetry(instruments, self._keeper, bounds.head_ratio, bounds.slow, is_served)
        self.trials = Trials(instruments)
        told = {"worker": worker, "role": role, "instance": identity.instance, "version": version}
        self._pulse = Pulse(writable, told, instruments)
        self._levels = Levels(writable)
        self.parts = self._pulse.parts
        self.parts["exemplars"] = exemplars.all
        self.parts["log_level"] = lambda: self._levels.live

    def start(self) -> None:
        """Writes and exports from now on."""
        self.export.start()
        self._keeper.start()

    async def run(self) -> None:
        """Tells of the process, for ever."""
        await self._pulse.run(self._tend)

    def _tend(self) -> None:
        self._levels.look()
        self.export.tend()

    def close(self) -> None:
        """Writes and exports what is left; it blocks for a moment."""
        self._keeper.close()
        self.export.close()
        self._pulse.close()
        self._sheet.close()


class NoWatch:
    """Watches nothing.

    Attributes:
        telemetry: Notes nothing.
        trials: Counts nothing.
        instruments: There are none.
        parts: Nobody reads them.
    """

    def __init__(self) -> None:
        self.telemetry = NoTelemetry()
        self.trials = NoTrials()
        self.instruments = None
        self.parts: dict[str, Callable[[], Any]] = {}

    def start(self) -> None:
        """Does nothing."""

    async def run(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""
