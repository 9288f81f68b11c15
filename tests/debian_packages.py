"""Fetches packages of Debian into a folder and unpacks them there, without root."""

import subprocess
from pathlib import Path


def unpack_packages(folder: Path, *names: str) -> None:
    """Fetches packages, by lists of our own where the system has none, and unpacks them; the first comes last.

    Raises:
        subprocess.CalledProcessError: One cannot be had; what the tool said of it is printed.
    """
    (folder / "apt/lists/partial").mkdir(parents=True, exist_ok=True)
    (folder / "apt/cache/archives/partial").mkdir(parents=True, exist_ok=True)
    try:
        run_in(folder, "apt-get", "download", *names)
    except subprocess.CalledProcessError:
        own = ("-o", f"Dir::State::lists={folder}/apt/lists", "-o", f"Dir::Cache={folder}/apt/cache", "-qq")
        run_in(folder, "apt-get", *own, "update")
        run_in(folder, "apt-get", *own, "download", *names)
    for name in reversed(names):
        for package in folder.glob(f"{name}_*.deb"):
            run_in(folder, "dpkg-deb", "-x", package.name, ".")


def run_in(folder: Path, *command: str) -> None:
    """Runs one step in a folder.

    Raises:
        subprocess.CalledProcessError: It fails.
    """
    subprocess.run(command, cwd=folder, check=True)
