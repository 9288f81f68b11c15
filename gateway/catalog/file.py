"""The catalog's file: written by the hub, or by gateways that took a newer catalog from Redis."""

import fcntl
import os
from pathlib import Path

from gateway.catalog.edition import Edition, read_edition
from gateway.errors import CatalogError


def read_file(path: Path) -> Edition:
    """Reads the catalog of a file.

    Raises:
        CatalogError: The file is missing or is not a catalog.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogError(f"cannot read {path}: {error.strerror}") from error
    return read_edition(str(path), content)


def keep(path: Path, edition: Edition) -> bool:
    """Replaces the file in one step, for good, unless it is as new; returns whether it did.

    A gateway that starts while Redis is down serves from there. Workers of one machine take turns, so that none
    replaces a newer file.

    Raises:
        OSError: The file cannot be written. It stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if generation_of(path) >= edition.generation:
            return False
        target = path.resolve()
        scratch = target.with_name(f".{target.name}.kept")
        with scratch.open("wb") as file:
            file.write(edition.content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)
        sync_folder(target.parent)
    return True


def generation_of(path: Path) -> int:
    """Returns the generation of a file; 0 where there is no catalog in it."""
    try:
        return read_file(path).generation
    except CatalogError:
        return 0


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
