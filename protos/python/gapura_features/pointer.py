"""Which data of a view is live, and which is being built beside it."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pointer:
    """What the pointer of a view says, in Redis as JSON.

    Attributes:
        live: Number of the data that is read.
        building: Number of the data that will take its place; pushes are written to both.
    """

    live: int = 1
    building: int | None = None

    @classmethod
    def read(cls, content: bytes | str | None) -> "Pointer":
        """Reads a pointer; where there is none, the first data is live.

        Raises:
            ValueError: It is not a pointer.
        """
        if content is None:
            return cls()
        found = json.loads(content)
        live, building = (found.get("live"), found.get("building")) if isinstance(found, dict) else (None, None)
        if type(live) is not int or type(building) not in {int, type(None)}:
            raise ValueError(f"this is not a pointer of a feature view: {content!r}")
        return cls(live, building)

    def write(self) -> str:
        """Returns the pointer as it is stored."""
        return json.dumps({"live": self.live, "building": self.building})

    def targets(self) -> tuple[int, ...]:
        """Returns the numbers of the data that a pushed row is written to."""
        return (self.live,) if self.building is None else (self.live, self.building)
