"""Installs Debian's Redis without root, once, below `var/`."""

import os
import platform
from pathlib import Path

from tests.debian_packages import unpack_packages
from tests.sharing import alone_in

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
    binary = HOME / "usr/bin/redis-server"
    with alone_in(HOME):
        if not binary.exists():
            unpack_packages(HOME, *PACKAGES)
    return str(binary), {**os.environ, "LD_LIBRARY_PATH": f"{HOME}/usr/lib/{platform.machine()}-linux-gnu"}
