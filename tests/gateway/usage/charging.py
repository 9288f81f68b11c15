"""A process that charges calls, and tells through its standard output how many it has charged.

    python -m tests.gateway.usage.charging FOLDER CALLS

After CALLS calls, or without end if that is 0. Each has 3 rows, 1.5 ms and 2 feature hits.
"""

import os
import subprocess
import sys
from itertools import count
from pathlib import Path

from gateway.usage.book import UsageBook

TENANTS = ("acme", "globex", "initech")
MODEL = "team3_credit_scoring"
ROWS, SECONDS, HITS = 3, 0.0015, 2


def start(folder: Path, calls: int) -> subprocess.Popen[bytes]:
    """Starts one."""
    command = [sys.executable, "-m", "tests.gateway.usage.charging", str(folder), str(calls)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def charge(folder: Path, calls: int) -> None:
    """Charges, and writes a byte for each call that is charged."""
    book = UsageBook(folder)
    for number in range(calls) if calls else count():
        book.charge(TENANTS[number % len(TENANTS)], MODEL, ROWS, SECONDS, HITS)
        os.write(1, b".")


if __name__ == "__main__":
    charge(Path(sys.argv[1]), int(sys.argv[2]))
