"""Makes a registered version ready to be served: fetch, convert, prove."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from converters import Conversion
from hub.artifact import download
from hub.composition import compose_version
from hub.conversions import ConversionCache, Workshop
from hub.registry import ModelRegistry
from hub.registry.records import RegisteredVersion

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A version that could go live.

    Attributes:
        version: What the catalog will say of it.
        conversion: Its files and golden rows.
    """

    version: catalog_pb2.Version
    conversion: Conversion

    @property
    def proof(self) -> str:
        """The proof in a few words."""
        report = self.conversion.report
        return f"{report.rows:,} rows agree within {report.max_abs_diff:.1e} (allowed {report.tolerance:.0e})"


@dataclass(frozen=True, slots=True)
class Preparation:
    """Prepares versions, each artifact once.

    Attributes:
        registry: Where artifacts come from.
        cache: Conversions that were made before.
        workshop: Makes the others.
    """

    registry: ModelRegistry
    cache: ConversionCache
    workshop: Workshop

    def prepare(self, version: RegisteredVersion, tell: Tell, meanwhile: Callable[[], None]) -> Prepared:
        """Returns a version ready to be served.

        Args:
            version: The version.
            tell: Takes what is being done.
            meanwhile: Called about once a second while it is converted; raises nothing.

        Raises:
            ConversionError: It cannot be converted, or its graph does not agree with it.
            ModelRefusedError: Its artifacts are missing or damaged.
        """
        tell("fetching")
        with download(self.registry, version) as downloaded:
            origin = f"{downloaded.digest} {digest_of_file(downloaded.sample)}"
            conversion = self.cache.find(origin)
            if conversion is None:
                tell("converting")
                conversion = self.workshop.run(downloaded.convert, meanwhile)
                self.cache.keep(origin, conversion)
            return Prepared(compose_version(version, downloaded.digest, conversion), conversion)


def digest_of_file(path: Path | None) -> str:
    """Returns the SHA-256 of a file, or nothing where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
