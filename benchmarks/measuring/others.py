"""What processes of others use of the machine while a part of a suite runs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from benchmarks.measuring.cpu import machine_seconds, tree_seconds
from benchmarks.measuring.results import Findings


@contextmanager
def watched(findings: Findings, roots: Sequence[int] = ()) -> Iterator[None]:
    """Notes in findings how many cores others used meanwhile.

    Args:
        findings: What is being found.
        roots: Processes that belong to the benchmark, beside this one and all that descend from it.
    """
    ours = [os.getpid(), *roots]
    start, machine, own = monotonic(), machine_seconds(), tree_seconds(ours)
    yield
    others = machine_seconds() - machine - (tree_seconds(ours) - own)
    findings.others_cores = max(findings.others_cores, others / (monotonic() - start), 0.0)
