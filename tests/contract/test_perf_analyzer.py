"""NVIDIA's load generator works through the gateway unchanged."""

import csv
import subprocess
from pathlib import Path

import pytest

from tests.contract.perf_analyzer import perf_analyzer
from tests.contract.targets import Target

SHORT = ["-p", "400", "-s", "300", "-r", "5", "--concurrency-range", "4"]


@pytest.mark.parametrize(
    "options",
    [
        ["-m", "simple"],
        ["-m", "simple", "--async", "--streaming"],
        ["-m", "matrix", "-b", "4", "--shared-memory", "none"],
        ["-m", "same_bytes", "--string-length", "8"],
    ],
    ids=" ".join,
)
def test_perf_analyzer_finds_no_errors(served: Target, options: list[str], tmp_path: Path) -> None:
    command, environment = perf_analyzer()
    report = tmp_path / "report.csv"
    arguments = ["-i", "grpc", "-u", served.address, "-H", f"x-api-key:{served.headers['x-api-key']}", *SHORT]
    told = subprocess.run(
        [*command, *options, *arguments, "-f", str(report)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    (row,) = csv.DictReader(report.read_text().splitlines())
    assert float(row["Inferences/Second"]) > 0
    assert "error" not in told.stderr.lower()
