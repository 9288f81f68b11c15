"""Which server of a cluster has which key."""

from binascii import crc_hqx
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gapura_features.pushing import Command
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import ResponseError

from gateway.features.redis.addresses import Place
from gateway.features.redis.wire import pack

KEY_OF_SCRIPT = 3

# A command as it goes out, behind the slot that it is for.
Part = tuple[int, bytes]


class Turn(NamedTuple):
    """Where a server sends us for a slot.

    Attributes:
        place: Whom to ask.
        asking: Whether only now, since the slot is on its way there.
    """

    place: Place
    asking: bool


def part_of_key(key: str) -> Part:
    """Returns the command that reads a key; by hand, since every row of a cluster goes through here."""
    content = key.encode()
    slot = key_slot(content) if b"{" in content else crc_hqx(content, 0) % REDIS_CLUSTER_HASH_SLOTS
    return slot, b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(content), content)


def part_of_command(command: Command) -> Part:
    """Returns a command whose first key says where it goes."""
    key = command[KEY_OF_SCRIPT] if command[0] == "EVAL" else command[1]
    return key_slot(key if isinstance(key, bytes) else str(key).encode()), pack(*command)


def read_slots(answer: Iterable[Any], asked: Place) -> Mapping[int, Place]:
    """Reads the answer to CLUSTER SLOTS.

    Args:
        answer: First slot, last slot, primary and replicas of each share.
        asked: Who answered, which may not know by what name others reach it.

    Returns:
        Where the primary of each slot is; slots that nobody serves are missing.
    """
    found = {}
    for first, last, primary, *_ in answer:
        host = primary[0].decode() if primary[0] else ""
        place = Place(asked.host if host in {"", "?"} else host, primary[1])
        found.update(dict.fromkeys(range(first, min(last, REDIS_CLUSTER_HASH_SLOTS - 1) + 1), place))
    return found


def read_turn(answer: object, asked: Place) -> Turn | None:
    """Reads where a refusal sends us; None where it does not, or is none."""
    if not isinstance(answer, ResponseError):
        return None
    words = str(answer).split()
    if len(words) < 3 or words[0] not in {"MOVED", "ASK"}:  # noqa: PLR2004 - the word, the slot, the place
        return None
    host, _, port = words[2].rpartition(":")
    return Turn(Place(host or asked.host, int(port)), words[0] == "ASK")
