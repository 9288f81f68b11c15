"""What the registry says about models and versions."""

from collections.abc import Mapping
from dataclasses import dataclass

CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """One version of a registered model.

    Attributes:
        name: Registered name, `<team>_<model>`.
        team: Owner of the model.
        number: Number of the version, from 1.
        run_id: Run that trained it; empty where it was registered without one.
        model_uri: Address of the version, `models:/<name>/<number>`.
        source: Address of its artifacts; never used again for others, unlike the number.
        tags: Tags of the version.
    """

    name: str
    team: str
    number: int
    run_id: str
    model_uri: str
    source: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A registered model, and those of its versions that serving is concerned with.

    Attributes:
        name: Registered name, `<team>_<model>`.
        team: Owner, from the tag `team`, or else the name before the first `_`.
        tags: Tags of the registered model.
        versions: Versions by alias, in the order in which `served` puts aliases; only those that are set and served.
        statuses: Tags by number of the versions that the publisher marked `live` or `standby`.
    """

    name: str
    team: str
    tags: Mapping[str, str]
    versions: Mapping[str, RegisteredVersion]
    statuses: Mapping[int, Mapping[str, str]]
