"""Reads single files out of archives without unpacking the rest."""

import io
import tarfile
import zipfile
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"!<arch>\n"
_HEADER = 60  # bytes before each file of a Debian package: its name takes 16, its size is at 48
_DATA = "data.tar"


def read_file(archive: Path, path: str) -> bytes:
    """Returns a file of a wheel, a tar archive or a Debian package."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(path)
    with archive.open("rb") as file:
        return _read_tar(_data_of(file) if archive.suffix == ".deb" else file, path)


def _read_tar(file: BinaryIO, path: str) -> bytes:
    with tarfile.open(fileobj=file) as archive:
        member = archive.extractfile(path)
        if member is None:
            raise KeyError(f"{path} is no file")
        return member.read()


def _data_of(package: BinaryIO) -> BinaryIO:
    """Finds what a Debian package installs: an `ar` archive holds it as a tar archive of its own."""
    if package.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("no Debian package")
    while len(header := package.read(_HEADER)) == _HEADER:
        content = package.read(int(header[48:58]))
        if header[:16].decode().startswith(_DATA):
            return io.BytesIO(content)
        package.seek(len(content) % 2, io.SEEK_CUR)
    raise ValueError(f"no {_DATA} in the Debian package")
