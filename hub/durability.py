"""Writes files so that a reader, or a power cut, finds the old content or the new and nothing else."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

_WAYS = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "allow this user to write there, or choose another folder",
    errno.EPERM: "allow this user to write there, or choose another folder",
}


def write_file(path: Path, content: bytes) -> None:
    """Replaces `path` in one step; creates its folder where it is missing. One process at a time may write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    _write(temporary, content)
    move(temporary, path)


def write_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Writes a new folder that nobody reads yet; the names may contain subfolders."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content)
        sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Renames a file or folder within one file system, for good."""
    source.replace(target)
    sync_folder(target.parent)


def discard(folder: Path, grave: Path) -> None:
    """Takes a folder away in one step: readers never see half of it. `grave` is removed with it."""
    grave.mkdir(parents=True, exist_ok=True)
    move(folder, Path(tempfile.mkdtemp(dir=grave)) / folder.name)
    shutil.rmtree(grave)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def explain(error: OSError) -> str:
    """Returns what the file system refused, where, and what to do about it."""
    if error.strerror is None:
        return str(error)
    places = " and ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    way = _WAYS.get(error.errno or 0)
    return f"{f'{places}: ' if places else ''}{error.strerror}{f'; {way}' if way else ''}"


def _write(path: Path, content: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # which does not name the file when its disk is full
        raise OSError(error.errno, error.strerror, str(path)) from error
