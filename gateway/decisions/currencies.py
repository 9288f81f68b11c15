"""Reads the currency of a request."""

import re
from typing import Protocol

from gateway.errors import InvalidFields

DEFAULT_CURRENCY = "USD"
CURRENCY_CODE = re.compile("[A-Z]{3}")


class Priced(Protocol):
    """A request with amounts of money."""

    @property
    def currency_code(self) -> str:
        """ISO 4217 code, or empty."""


def read_currency(request: Priced) -> str:
    """Returns the currency of a request.

    Raises:
        InvalidFields: It is not a code.
    """
    currency = request.currency_code
    if currency and not CURRENCY_CODE.fullmatch(currency):
        raise InvalidFields([("currency_code", f"must be an ISO 4217 code such as USD, got '{currency}'")])
    return currency or DEFAULT_CURRENCY
