"""Fetches a model version: its files and their digest first, its conversion when it is needed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from converters import Conversion, convert, load
from converters.mlmodel import PARITY_SAMPLE, digest_of, example_in, read_sample
from hub.chatter import without_warnings
from hub.errors import ModelRefusedError
from hub.registry import ModelRegistry
from hub.registry.artifacts import Target

__all__ = ["PARITY_SAMPLE", "Downloaded", "download"]


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A version's files, for as long as they lie there. Nothing of them has run yet.

    Attributes:
        folder: Where they lie.
        digest: SHA-256 over all of them and their names.
        sample: File with real rows of the run that trained it; None where it logged none.
    """

    folder: Path
    digest: str
    sample: Path | None

    def convert(self) -> Conversion:
        """Loads, converts and proves the model; loading runs the team's own code.

        Raises:
            ConversionError: It is damaged, or cannot be served; the message says what to change.
        """
        with without_warnings():
            sample = read_sample(self.sample) if self.sample else example_in(self.folder)
            loaded = load(self.folder)
        return convert(loaded.model, loaded.signature, sample, flavor=loaded.flavor, metadata=loaded.metadata)


@contextmanager
def download(registry: ModelRegistry, target: Target) -> Iterator[Downloaded]:
    """Copies a version's files into a folder of its own, which goes when the context ends.

    Raises:
        ModelRefusedError: They are not where the registry says.
    """
    with without_warnings(), tempfile.TemporaryDirectory(prefix="gapura-") as name:
        folder = registry.download_model(target, _subfolder(name, "model"))
        yield Downloaded(folder, digest_of(folder), _download_sample(registry, target, _subfolder(name, "run")))


def _subfolder(parent: str, name: str) -> Path:
    folder = Path(parent) / name
    folder.mkdir()
    return folder


def _download_sample(registry: ModelRegistry, target: Target, folder: Path) -> Path | None:
    if not target.run_id:
        return None
    try:
        return registry.download_from_run(target, PARITY_SAMPLE, folder)
    except ModelRefusedError:  # the run has none: the model's folder may hold an example
        return None
