"""The accounts of all tenants in this process."""

from gateway.tenancy.quotas.account import Account
from gateway.tenancy.quotas.limits import Limits
from gateway.tenancy.quotas.roster import Roster


class Accounts:
    """The accounts of all tenants; they outlive the tenants file, so that reading it again forgives nobody anything.

    Args:
        shares: Gateway processes that divide the quotas while Redis has told nothing.
    """

    def __init__(self, shares: int = 1) -> None:
        self.roster = Roster(1 / shares)
        self._accounts: dict[str, Account] = {}

    def of(self, name: str, limits: Limits) -> Account:
        """Returns a tenant's account, under the limits from now on."""
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = Account(name, self.roster)
        account.limit(limits)
        return account
