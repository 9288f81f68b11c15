"""The guard as a process of its own: what it computes takes nothing from the workers that answer calls."""

import subprocess
import sys
from contextlib import suppress

from gateway.guard.orders import Charges, Order, write_charges, write_order

END_SECONDS = 2.0


class GuardProcess:
    """Runs a guard, which notices the end of this process by the end of its input.

    Args:
        order: What it is told.
    """

    def __init__(self, order: Order) -> None:
        command = [sys.executable, "-m", "gateway.guard"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own
        self._write(write_order(order))

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._child.pid

    @property
    def status(self) -> int | None:
        """What it has ended with; None while it runs."""
        return self._child.poll()

    def tell(self, charges: Charges) -> None:
        """Has it watch these from now on."""
        self._write(write_charges(charges))

    def close(self) -> None:
        """Ends it."""
        if self._child.stdin is not None:
            with suppress(OSError):
                self._child.stdin.close()
        try:
            self._child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _write(self, line: bytes) -> None:
        """Writes a line; one that has ended is noticed by its status."""
        if self._child.stdin is not None:
            with suppress(OSError):
                self._child.stdin.write(line)
                self._child.stdin.flush()
