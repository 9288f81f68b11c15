"""Where a tour makes its calls."""

from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class Place:
    """What a call of the tour needs.

    Attributes:
        channel: To the gateway.
        target: Its address, `host:port`.
        var: Folder with the data of training, and the key of the tenant.
        features: Folder with the histories of feature views.
        stored: Whether features are stored, so that ids are enough.
    """

    channel: grpc.Channel
    target: str
    var: Path
    features: Path
    stored: bool
