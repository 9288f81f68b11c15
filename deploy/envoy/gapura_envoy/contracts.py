"""The descriptor sets that the edge speaks REST for: those of this release, and those of a folder."""

from importlib.util import find_spec
from pathlib import Path

BUILT_IN = "contracts.binpb"


def read_contracts(folder: Path) -> list[bytes]:
    """Returns serialised descriptor sets: this release's first, then those of the folder, in the order of names."""
    spec = find_spec("erpml")
    homes = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    built_in = [home / BUILT_IN for home in homes if (home / BUILT_IN).is_file()]
    return [path.read_bytes() for path in (*built_in[:1], *sorted(folder.glob("*.binpb")))]
