"""What counting usage costs: a charge on the request path, a scrape, and what calls feel of a scrape.

    python -m benchmarks.usage

Charges go round ten tenants. The scrape is of one process with 10,000 tenants. A task that wants to run every
millisecond stands for calls: what it is late by is what a scrape costs them.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

from gateway.operations.metrics import MetricsServer
from gateway.usage.book import UsageBook
from gateway.usage.reading import UsageFolder

ROUNDS, CALLS = 2000, 500  # short ones: some find the machine to themselves
TENANTS, SCRAPES = 10_000, 15
MODEL = "team3_credit_scoring"
TICK_SECONDS = 0.001
SCRAPING = """
import sys, time, urllib.request
url, scrapes, tenants = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
times = []
for _ in range(scrapes):
    begin = time.perf_counter()
    content = urllib.request.urlopen(url).read()
    times.append((time.perf_counter() - begin) * 1e3)
    assert content.count(b"gapura_usage_calls_total{") == tenants
print(f"median {sorted(times)[scrapes // 2]:.0f} ms, {len(content) / 2**20:.1f} MiB")
"""


@contextmanager
def open_book() -> Iterator[tuple[UsageBook, Path]]:
    """Opens a book in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="gapura-") as folder:
        yield UsageBook(Path(folder)), Path(folder)


def time_charge() -> tuple[float, float]:
    """Returns the fastest and the median time of a charge, in nanoseconds."""
    names = [f"tenant-{number}" for number in range(10)] * (CALLS // 10)
    times = []
    with open_book() as (book, folder):
        for _ in range(ROUNDS):
            begin = perf_counter()
            for name in names:
                book.charge(name, MODEL, 4, 0.001_234, 2)
            times.append((perf_counter() - begin) / CALLS * 1e9)
        assert sum(charge.counts.calls for charge in UsageFolder(folder).charges()) == ROUNDS * CALLS
    return min(times), median(times)


async def time_scrapes() -> tuple[str, list[float], list[float]]:
    """Returns what the scraping process tells, and by how many milliseconds ticks are late without and with it."""
    with open_book() as (book, folder):
        for number in range(TENANTS):
            book.charge(f"tenant-{number}", MODEL, 4, 0.001_234, 2)
        server = MetricsServer("127.0.0.1:0", folder, folder)
        url = f"http://{server.start()}/metrics"
        calm = await ticks(asyncio.create_task(asyncio.sleep(2)))
        command = (sys.executable, "-c", SCRAPING, url, str(SCRAPES), str(TENANTS))
        scraping = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        busy = await ticks(asyncio.create_task(scraping.wait()))
        told, _ = await scraping.communicate()
        await asyncio.to_thread(server.stop)
    assert scraping.returncode == 0
    return told.decode().strip(), calm, busy


async def ticks(work: asyncio.Task[Any]) -> list[float]:
    """Runs every millisecond until something is done; returns by how many milliseconds it was late."""
    late = []
    while not work.done():
        begin = perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        late.append((perf_counter() - begin - TICK_SECONDS) * 1e3)
    return late


def main() -> None:
    """Prints the table."""
    fastest, middle = time_charge()
    print(f"charge: {fastest:.0f} ns at best, {middle:.0f} ns in the median round")
    told, calm, busy = asyncio.run(time_scrapes())
    print(f"scrape of {TENANTS:,} tenants: {told}")
    for name, late in (("without scrapes", calm), ("with scrapes", busy)):
        cuts = quantiles(late, n=100)
        print(
            f"a tick each ms is late {name}: median {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms, most {max(late):.2f} ms"
        )


if __name__ == "__main__":
    main()
