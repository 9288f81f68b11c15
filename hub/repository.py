"""The model repository on disk, in Triton's layout; it is whole at every moment.

    <model>/config.pbtxt · <model>/<output>_labels.txt · <model>/<version>/model.onnx · <model>/<version>/parity.json

A version is staged in `.staging`, which lies on the same file system, and renamed into place. `config.pbtxt` is written
from the catalog: whatever a killed publisher left behind, `configure` and `clear` bring the folder back to what the
catalog says.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from hub.durability import discard, move, write_file, write_folder
from hub.errors import HubError
from hub.triton_config import LABELS, compose_files

_GRAPH = "model.onnx"
_PROOF = "parity.json"


@dataclass(frozen=True, slots=True)
class Repository:
    """A model repository that the hub alone writes."""

    root: Path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other publishers out; the system releases it however this process ends.

        Raises:
            HubError: Another publisher is at work.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise HubError(f"another publisher is writing {self.root}: try again when it is done") from error
        try:
            yield
        finally:
            os.close(descriptor)

    def holds(self, name: str, version: catalog_pb2.Version) -> bool:
        """Whether the version's file is on disk with the content that the catalog names."""
        try:
            content = (self._version(name, version.number) / _GRAPH).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(content).hexdigest() == version.sha256

    def read(self, name: str, number: int) -> tuple[bytes, bytes]:
        """Returns the graph of a version, and its proof."""
        folder = self._version(name, number)
        return (folder / _GRAPH).read_bytes(), (folder / _PROOF).read_bytes()

    def install(self, described: catalog_pb2.Model, number: int, graph: bytes, proof: bytes) -> None:
        """Puts a version beside those that lie there.

        Args:
            described: What the configuration says from now on.
            number: The version.
            graph: Content of `model.onnx`.
            proof: Content of `parity.json`.
        """
        name = described.name
        files = {f"{number}/{_GRAPH}": graph, f"{number}/{_PROOF}": proof}
        staged, home = self._staging / name, self.root / name
        if not home.exists():
            write_folder(staged, files | compose_files(described))
            move(staged, home)
            return
        write_folder(staged, files)
        if self._version(name, number).exists():  # damaged, or left by a publisher that was killed
            discard(self._version(name, number), self._staging / ".old")
        move(staged / str(number), self._version(name, number))
        self.describe(described)

    def describe(self, model: catalog_pb2.Model) -> None:
        """Brings a model's configuration in line with `model`; one that is already is not written."""
        for name, content in compose_files(model).items():
            path = self.root / model.name / name
            if not path.exists() or path.read_bytes() != content:
                write_file(path, content)

    def configure(self, catalog: catalog_pb2.Catalog) -> None:
        """Brings all configurations in line with the catalog."""
        for model in catalog.models:
            if (self.root / model.name).is_dir():
                self.describe(model)

    def clear(self, catalog: catalog_pb2.Catalog) -> None:
        """Removes what the catalog does not name."""
        for model in catalog.models:
            if (self.root / model.name).is_dir():
                self._remove_surplus(model)
        live = {model.name for model in catalog.models}
        for folder in sorted(self.root.iterdir()):
            if folder.name not in live and _is_ours(folder):
                discard(folder, self._staging / ".old")
        if self._staging.exists():
            shutil.rmtree(self._staging)

    @property
    def _staging(self) -> Path:
        return self.root / ".staging"

    def _version(self, name: str, number: int) -> Path:
        return self.root / name / str(number)

    def _remove_surplus(self, model: catalog_pb2.Model) -> None:
        """Removes versions, label files, and what was never finished."""
        versions, files = {str(version.number) for version in model.versions}, compose_files(model)
        for path in sorted((self.root / model.name).iterdir()):
            if path.name.isdecimal() and path.name not in versions:
                discard(path, self._staging / ".old")
            elif path.name.startswith(".") or (path.name.endswith(LABELS) and path.name not in files):
                path.unlink()


def _is_ours(folder: Path) -> bool:
    """Whether a publisher wrote the model folder: every version in it carries its proof."""
    versions = [child for child in folder.glob("*") if child.name.isdecimal()] if folder.is_dir() else []
    return bool(versions) and all((version / _PROOF).exists() for version in versions)
