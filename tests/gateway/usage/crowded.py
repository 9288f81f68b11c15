"""A process whose disk is full after some bytes, and has room again later: the kernel's limit for the size of files.

    python -m tests.gateway.usage.crowded FOLDER

Prints the calls that are in files: when there is room, while there is none, and when there is again.
"""

import resource
import sys
from pathlib import Path

from gateway.usage.book import UsageBook
from gateway.usage.reading import UsageFolder

TENANTS = 1000


def crowd(folder: Path) -> list[int]:
    """Charges each tenant before, while and after there is room for 32 KiB alone."""
    book, found = UsageBook(folder), []
    for most in (32_768, 32_768, resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        book.settle()
        for number in range(TENANTS):
            book.charge(f"tenant-{number}", "team3_credit_scoring", 1, 0.001)
        found.append(sum(charge.counts.calls for charge in UsageFolder(folder).charges()))
    return found


if __name__ == "__main__":
    sys.stdout.write(f"{crowd(Path(sys.argv[1]))}\n")
