"""Installs Debian's Prometheus without root and without its service, once, below `var/`."""

import fcntl
import subprocess
from pathlib import Path

HOME = Path(__file__).parents[2] / "var/prometheus"
PACKAGE = "prometheus"


def debian_prometheus(name: str = "prometheus") -> str:
    """Returns one of its programs, `prometheus` or `promtool`; installs them where they are not yet.

    Raises:
        subprocess.CalledProcessError: The package cannot be had; what the tool said of it is printed.
    """
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HOME / "installed").exists():
            install()
            (HOME / "installed").touch()
    return str(HOME / "usr/bin" / name)


def install() -> None:
    """Fetches the package, by lists of our own where the system has none, and unpacks it; it needs no other."""
    (HOME / "apt/lists/partial").mkdir(parents=True, exist_ok=True)
    (HOME / "apt/cache/archives/partial").mkdir(parents=True, exist_ok=True)
    try:
        run("apt-get", "download", PACKAGE)
    except subprocess.CalledProcessError:
        own = ("-o", f"Dir::State::lists={HOME}/apt/lists", "-o", f"Dir::Cache={HOME}/apt/cache", "-qq")
        run("apt-get", *own, "update")
        run("apt-get", *own, "download", PACKAGE)
    for package in HOME.glob(f"{PACKAGE}_*.deb"):
        run("dpkg-deb", "-x", package.name, ".")


def run(*command: str) -> None:
    """Runs one step in the folder."""
    subprocess.run(command, cwd=HOME, check=True)
