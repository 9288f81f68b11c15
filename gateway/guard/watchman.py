"""Watches experiments: takes what their arms have done, has it judged, and writes verdicts down."""

from collections.abc import Callable
from pathlib import Path
from time import time_ns

import numpy as np
import structlog
from erpml.catalog.v1 import catalog_pb2

from gateway.experiments import Halted
from gateway.guard.judgement import Breach, judge
from gateway.guard.orders import Charge, Charges
from gateway.guard.verdicts import halted_of, read_folder, write_verdict
from gateway.guard.window import Count, Window
from gateway.telemetry.families import SCORES, TRIALS
from gateway.telemetry.reading import SheetReader, Snapshot
from gateway.telemetry.trials import ANSWERED, FAILED

# A moment; a judgement takes longer than to count, and is passed every other one.
MOMENT_SECONDS = 0.25
MOMENTS_A_JUDGEMENT = 2
TIDY_SECONDS = 2.0

Verdict = catalog_pb2.Verdict
Tell = Callable[[Verdict], None]

log = structlog.get_logger(__name__)


class Watchman:
    """Watches what it is charged with.

    Args:
        telemetry: Folder of the sheets.
        verdicts: Folder of the verdicts.
        passed: Is told of every verdict that counts.
        voided: Is told of every verdict that does not count any more.
    """

    def __init__(self, telemetry: Path, verdicts: Path, passed: Tell, voided: Tell) -> None:
        self._sheets = SheetReader(telemetry, (TRIALS, SCORES))
        self._folder = verdicts
        self._tell_passed, self._tell_voided = passed, voided
        self._charges = Charges()
        self._windows: dict[tuple[Halted, int], Window] = {}
        self._passed = set[Halted]()
        self._unwritten: dict[Halted, Verdict] = {}
        self._looks = 0
        self._tidied = 0.0
        self._problem = ""

    def take(self, charges: Charges) -> None:
        """Watches these from now on. A window goes on for as long as what is compared in it stays the same."""
        self._charges = charges
        self._windows = {
            key: self._windows.get(key) or Window(charge.limits.window_seconds)
            for charge in charges.experiments.values()
            if charge.limits is not None
            for key in ((charge.halted(arm), charge.versions[charge.champion]) for arm in charge.watched)
        }
        self._passed = {halted for halted in self._passed if not charges.is_void(halted)}
        self._unwritten = {halted: told for halted, told in self._unwritten.items() if halted in self._passed}
        self.tidy()

    def look(self, now: float) -> None:
        """Takes what arms have done until now, and judges them when it is time to.

        Args:
            now: A time in seconds that never goes back.
        """
        self._looks += 1
        is_judged = self._looks % MOMENTS_A_JUDGEMENT == 0
        if self._windows:
            snapshot = self._sheets.take()
            for (halted, _), window in self._windows.items():
                charge = self._charges.experiments[halted.model, halted.experiment]
                window.take(now, count_of(snapshot, charge, halted.arm), count_of(snapshot, charge, charge.champion))
                if is_judged and charge.limits is not None and halted not in self._passed:
                    breach = judge(window, charge.limits)
                    if breach is not None:
                        self._pass(halted, breach)
        if self._unwritten:
            self._write()
        if now >= self._tidied + TIDY_SECONDS:
            self._tidied = now
            self.tidy()

    def tidy(self) -> None:
        """Removes verdicts that do not count any more, and knows those that do."""
        for path, verdict in read_folder(self._folder, lambda *_: None):
            halted = halted_of(verdict)
            if self._charges.is_void(halted):
                path.unlink(missing_ok=True)
                self._tell_voided(verdict)
                log.info("verdict void", **halted._asdict())
            elif halted not in self._passed and halted.model in self._charges.models:
                self._passed.add(halted)
                self._tell_passed(verdict)

    def close(self) -> None:
        """Lets go of the sheets."""
        self._sheets.close()

    def _pass(self, halted: Halted, breach: Breach) -> None:
        """Passes a verdict."""
        log.error("arm loses its share", **halted._asdict(), guardrail=breach.guardrail, reason=breach.reason)
        verdict = Verdict(**halted._asdict(), reason=f"{breach.guardrail}: {breach.reason}")
        verdict.at.FromNanoseconds(time_ns())
        self._passed.add(halted)
        self._unwritten[halted] = verdict
        self._tell_passed(verdict)

    def _write(self) -> None:
        """Writes verdicts down; a disk that takes none is tried again."""
        for halted, verdict in list(self._unwritten.items()):
            try:
                write_verdict(self._folder, verdict)
            except OSError as error:
                problem = error.strerror or repr(error)
                if problem != self._problem:
                    log.error("a verdict cannot be written", folder=str(self._folder), reason=problem)
                self._problem = problem
                return
            del self._unwritten[halted]
            self._problem = ""


def count_of(snapshot: Snapshot, charge: Charge, arm: str) -> Count:
    """Returns what an arm has done since counting began."""
    labels = charge.model, charge.experiment, arm, str(charge.versions[arm])
    return Count(
        snapshot.numbers(TRIALS, *labels, ANSWERED)[1:],
        np.asarray(snapshot.numbers(TRIALS, *labels, FAILED)[1:].sum()),
        snapshot.numbers(SCORES, *labels)[1:],
    )
