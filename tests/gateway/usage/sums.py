"""Sums of what is in usage files."""

from functools import reduce
from pathlib import Path

from gateway.usage.layout import Counts
from gateway.usage.reading import UsageFolder


def total(folder: Path) -> Counts:
    """Returns the sum of everything."""
    return reduce(Counts.plus, (charge.counts for charge in UsageFolder(folder).charges()), Counts())
