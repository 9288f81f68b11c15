"""Charges answered calls to their tenants: a microsecond of work, and nothing that could fail the call."""

import os
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from time import time

import structlog

from gateway.usage.layout import BACKEND_NS, CALLS, FEATURE_HITS, ROWS
from gateway.usage.sheet import Cell, Sheet

DAY_SECONDS = 86_400
LOOK_SECONDS = 10.0  # between looks whether the file is still there, and tries of what could not be written
HOST_CHARACTERS = 64
NS = 1e9

log = structlog.get_logger(__name__)


class UsageBook:
    """The counters of this process: one file a day (UTC) in a folder that all processes of a machine share.

    A file that cannot be written delays nothing and fails nothing: counters are then in memory until it can be.
    One thread uses the book.

    Args:
        folder: Folder of usage files; it is made with the first charge.
        clock: Tells the time in seconds since 1970.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time) -> None:
        self._folder = folder
        self._clock = clock
        self._since = self._until = 0.0  # when the cells can be used without a look
        self._day = -1
        self._sheet = Sheet(folder)
        self._cells: dict[str, dict[str, Cell]] = {}  # of the sheet, by tenant and model: twice as fast as by pairs
        self._late: list[Sheet] = []
        self._problem = ""
        self._failed = False

    def charge(self, tenant: str, model: str, rows: int, backend_seconds: float, feature_hits: int = 0) -> None:
        """Counts an answered call. Never raises.

        Args:
            tenant: Name of the tenant.
            model: Registered name of the model.
            rows: Rows that were answered.
            backend_seconds: The call's share of the time of backends; counted in whole nanoseconds.
            feature_hits: Features that were looked up for it.
        """
        try:
            if not self._since <= self._clock() < self._until:
                self._look()
            backend_ns = int(backend_seconds * NS + 0.5)
            try:
                cell = self._cells[tenant][model]
            except KeyError:
                cell = self._find(tenant, model)
            cell[ROWS] += rows
            cell[BACKEND_NS] += backend_ns
            if feature_hits:
                cell[FEATURE_HITS] += feature_hits
            cell[CALLS] += 1  # last: a call that is counted is counted whole, should the process end here
        except Exception:
            if not self._failed:
                log.exception("a call is not charged", tenant=tenant, model=model)
            self._failed = True

    def settle(self) -> None:
        """Writes what could not be written, if that can be done now; charges do so too, every ten seconds."""
        self._cells = {}  # cells may move
        for sheet in (*self._late, self._sheet):
            sheet.settle()
        for sheet in self._late:
            if not sheet.problem:
                sheet.close()
        self._late = [sheet for sheet in self._late if sheet.problem]
        self._tell(next((sheet.problem for sheet in (*self._late, self._sheet) if sheet.problem), ""))

    def held_calls(self) -> int:
        """Returns the calls that are in memory alone, since they cannot be written."""
        return sum(sheet.held_calls() for sheet in (self._sheet, *self._late))

    def close(self) -> None:
        """Finishes the files of this process; the next charge would start another."""
        self.settle()
        sheets = (*self._late, self._sheet)
        lost = sum(sheet.held_calls() for sheet in sheets)
        if lost:
            log.error("usage is lost", calls=lost, folder=str(self._folder), reason=self._problem)
        for sheet in sheets:
            sheet.close()
        self._late, self._day, self._since, self._until = [], -1, 0.0, 0.0
        self._sheet = Sheet(self._folder)

    def _look(self) -> None:
        """Sees to it that charges go to the file of the day, and that there is one."""
        now = self._clock()
        day = int(now // DAY_SECONDS)
        if day != self._day:
            self._late.append(self._sheet)
            self._sheet, self._day = Sheet(self._folder / file_name(now)), day
        self.settle()
        self._since, self._until = now, min((day + 1) * DAY_SECONDS, now + LOOK_SECONDS)

    def _find(self, tenant: str, model: str) -> Cell:
        """Finds the cell of a tenant and model in the sheet, or makes it there."""
        cell = self._sheet.cells.get((tenant, model))
        if cell is None:
            cell = self._sheet.enter((tenant, model))
            if self._sheet.problem:
                self._tell(self._sheet.problem)
        self._cells.setdefault(tenant, {})[model] = cell
        return cell

    def _tell(self, problem: str) -> None:
        """Logs what keeps usage from being written, or that nothing does any more: once each."""
        if bool(problem) != bool(self._problem):
            if problem:
                log.error("usage is in memory alone", folder=str(self._folder), reason=problem)
            else:
                log.info("usage is written again", folder=str(self._folder))
        self._problem = problem


def file_name(now: float) -> str:
    """Returns a new name for the file of a day: day, host, process, and what tells apart all else."""
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:HOST_CHARACTERS] or "-"
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}.{host}.{os.getpid()}-{token_hex(4)}.usage"
