"""Installs Debian's Redis without root, once, below `var/`."""

import fcntl
import os
import platform
import subprocess
from pathlib import Path

HOME = Path(__file__).parents[1] / "var/redis"
PACKAGES = (
    "redis-server",
    "redis-tools",
    "libatomic1",
    "libjemalloc2",
    "liblua5.1-0",
    "liblzf1",
    "lua-bitop",
    "lua-cjson",
)


def debian_redis() -> tuple[str, dict[str, str]]:
    """Returns the server and its environment; installs it where it is not yet.

    Raises:
        subprocess.CalledProcessError: A part cannot be had; what the tool said of it is printed.
    """
    HOME.mkdir(parents=True, exist_ok=True)
    binary = HOME / "usr/bin/redis-server"
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            install()
    return str(binary), {**os.environ, "LD_LIBRARY_PATH": f"{HOME}/usr/lib/{platform.machine()}-linux-gnu"}


def install() -> None:
    """Fetches the packages, by lists of our own where the system has none, and unpacks them; the server comes last."""
    (HOME / "apt/lists/partial").mkdir(parents=True, exist_ok=True)
    (HOME / "apt/cache/archives/partial").mkdir(parents=True, exist_ok=True)
    try:
        run("apt-get", "download", *PACKAGES)
    except subprocess.CalledProcessError:
        own = ("-o", f"Dir::State::lists={HOME}/apt/lists", "-o", f"Dir::Cache={HOME}/apt/cache", "-qq")
        run("apt-get", *own, "update")
        run("apt-get", *own, "download", *PACKAGES)
    for name in reversed(PACKAGES):
        for package in HOME.glob(f"{name}_*.deb"):
            run("dpkg-deb", "-x", package.name, ".")


def run(*command: str) -> None:
    """Runs one step in the folder."""
    subprocess.run(command, cwd=HOME, check=True)
