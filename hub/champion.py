"""What the registry says about the version of a model that answers its calls."""

from collections.abc import Mapping
from dataclasses import dataclass

ALIAS = "champion"


@dataclass(frozen=True, slots=True)
class Champion:
    """The version of a registered model that answers its calls.

    Attributes:
        name: Registered name, `<team>_<model>`.
        team: Owner, from the tag `team`, or else from the name.
        version: Number of the version, from 1.
        run_id: Run that trained it.
        model_uri: Address of the version, `models:/<name>/<version>`.
        source: Address of its artifacts; never used again for others, unlike the number.
        tags: Tags of the registered model.
    """

    name: str
    team: str
    version: int
    run_id: str
    model_uri: str
    source: str
    tags: Mapping[str, str]
