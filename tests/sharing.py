"""What is costly is made once: whoever needs it first makes it, in whatever process, while the others wait."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes a folder where there is none, and lets nobody else in who asks by this function."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


MOST_TRIES = 2


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Returns what is made inside a folder; what somebody began and did not end is thrown away.

    Args:
        folder: Where it lies, below a folder that goes away with the test run.
        make: Makes it in a folder that does not exist yet.

    Raises:
        RuntimeError: It was tried before, and failed: all who need it would try for ever.
    """
    made, tries = folder / "made", folder / "tries"
    with alone_in(folder):
        if not (folder / "whole").exists():
            tried = len(tries.read_bytes()) if tries.exists() else 0
            if tried == MOST_TRIES:
                raise RuntimeError(f"{folder.name} could not be made, {tried} times: the first error says why")
            tries.write_bytes(b"." * (tried + 1))
            shutil.rmtree(made, ignore_errors=True)
            make(made)
            (folder / "whole").touch()
    return made


def copy_without_artifacts(place: Path, copy: Path) -> None:
    """Copies where commands have worked; the registry goes on naming the first one's artifacts, which nobody writes."""
    shutil.copytree(place, copy, ignore=shutil.ignore_patterns("artifacts"), dirs_exist_ok=True)
