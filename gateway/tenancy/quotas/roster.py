"""What the accounts of a process have in common: who has something to report, and the share to begin with."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.tenancy.quotas.account import Account


@dataclass(slots=True)
class Roster:
    """What the accounts of a process have in common.

    Attributes:
        share: The part of each quota that an account begins with, until it is told what others demand.
        busy: Accounts that were used since they last had nothing to report.
    """

    share: float
    busy: "set[Account]" = field(default_factory=set)
