"""A PostgreSQL of one's own, from Debian's package, which is installed where it is missing."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gapura_supervisor.addresses import LOOPBACK

from tests.hub.registry.processes import Command, free_ports, running

_DEBIAN = Path("/usr/lib/postgresql")
_INSTALL = (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "--no-install-recommends", "postgresql"])


@contextmanager
def running_postgres() -> Iterator[str]:
    """Gives the address of an empty database. As root, it runs as the package's user: PostgreSQL refuses to be root."""
    binaries, (port,) = _find_binaries(), free_ports(1)
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="gapura-postgres-"))  # not pytest's folder, which is closed to other users
    try:
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data, log = folder / "data", folder / "log"
        make = [str(binaries / "initdb"), "-D", str(data), "-U", "gapura", "--auth=trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(make, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        settings = {"listen_addresses": LOOPBACK, "port": port, "unix_socket_directories": "", "fsync": "off"}
        words = [str(binaries / "postgres"), "-D", str(data), *(f"--{key}={value}" for key, value in settings.items())]
        ready = [str(binaries / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port)]
        with running(Command(words, log, user=user, stop=signal.SIGINT), lambda: not subprocess.call(ready)):
            yield f"postgresql+psycopg://gapura@{LOOPBACK}:{port}/postgres"
    finally:
        shutil.rmtree(folder)


def _find_binaries() -> Path:
    """Returns the folder of the newest installed version."""
    if not _DEBIAN.is_dir():
        for command in _INSTALL:
            subprocess.run(command, check=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    return max(_DEBIAN.glob("*/bin"), key=lambda folder: int(folder.parent.name))
