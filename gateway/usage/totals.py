"""Adds up the usage of all processes of a machine."""

from pathlib import Path

from gateway.usage.layout import Counts, Key
from gateway.usage.reading import UsageFolder, rest_between


class Totals:
    """Usage by tenant and model over all files of a folder. What finished files add up to is read once.

    Args:
        folder: Folder of usage files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = UsageFolder(folder, unhurried=True)
        self._added: set[str] = set()
        self._finished: dict[Key, Counts] = {}

    def take(self) -> dict[Key, Counts]:
        """Returns the totals of now.

        Raises:
            OSError: The folder cannot be read.
        """
        files = self._folder.files()
        if not self._added.issubset(
            file.source for file in files
        ):  # all processes tell the same: the sum of what is there
            self._added, self._finished = set(), {}
        live: list[dict[Key, Counts]] = []
        for file in files:
            if file.source not in self._added:
                finished = file.is_finished()
                counts = self._folder.read(file)
                if finished and counts:
                    self._added.add(file.source)
                    add(self._finished, counts)
                else:
                    live.append(counts)
        totals = dict(self._finished)
        for counts in live:
            add(totals, counts)
        return totals


def add(totals: dict[Key, Counts], counts: dict[Key, Counts]) -> None:
    """Adds counts to totals, without hurry."""
    for key, count in rest_between(counts.items()):
        totals[key] = totals[key].plus(count) if key in totals else count
