"""Tenants that are registered and never call, as the tenants file has them."""

from pathlib import Path
from secrets import token_hex

TENANT = """\
- name: tenant-{number}
  models:
  - team{team}_*
  calls_per_second: 1000.0
  keys:
  - id: {number:08x}
    salt: {salt}
    sha256: {digest}
"""
TEAMS = 7


def add_crowd(path: Path, count: int) -> None:
    """Adds so many to a file, with limits and keys of their own; PyYAML would take seconds to write them."""
    with path.open("a") as file:
        for number in range(count):
            file.write(TENANT.format(number=number, team=number % TEAMS + 1, salt=token_hex(16), digest=token_hex(32)))
