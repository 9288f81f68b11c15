"""One attack in a process of its own: `python -m benchmarks.attacks.attacking NAME ADDRESS SECONDS [HEADER VALUE]`."""

import asyncio
import ipaddress
import sys

from benchmarks.attacks.attackers import PLANS, attack


def main(name: str, address: str, seconds: float, *headers: str) -> None:
    """Attacks an edge of this machine, and no other."""
    if not ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).is_loopback:
        sys.exit("only edges of this machine are attacked")
    pairs = tuple(zip(headers[::2], headers[1::2], strict=True))
    asyncio.run(attack(PLANS[name], address, pairs, seconds))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), *sys.argv[4:])
