"""Puts units into buckets, the same in every process, release and language.

`number` reads eight bytes of the SHA-256 of a text in UTF-8 as a big-endian number, and the bucket of a unit is

    (number(unit) * number(seed) + number(seed, from byte 8)) mod 1,073,741,789 mod 10,000

The unit is hashed once, however many experiments are asked; each has a function of its own of a family in which two are
independent. Source: Carter and Wegman, "Universal Classes of Hash Functions", 1979.
"""

from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from gateway.experiments import BUCKETS

# About 200 bytes each.
MOST_UNITS = 32_768

# The largest prime below 2^30: Python divides by it twice as fast as by a larger one.
PRIME = 1_073_741_789
ONE, TWO = Struct(">Q").unpack_from, Struct(">QQ").unpack_from


class Mix(NamedTuple):
    """The function of a seed.

    Attributes:
        factor: What the number of a unit is multiplied with.
        offset: What is added.
    """

    factor: int
    offset: int


def mix_of(seed: str) -> Mix:
    """Returns the function of a seed."""
    factor, offset = TWO(sha256(seed.encode()).digest())
    return Mix(factor % PRIME, offset % PRIME)


def group_seed(group: str) -> str:
    """Returns the seed of an exclusion group."""
    return f"group.{group}"


@lru_cache(MOST_UNITS)
def number_of(unit: str) -> int:
    """Returns the number of a unit; those that come again and again are known by heart."""
    number: int = ONE(sha256(unit.encode()).digest())[0]
    return number % PRIME


def bucket_of(mix: Mix, number: int) -> int:
    """Returns the bucket that a unit has by its number, from 0."""
    factor, offset = mix
    return (number * factor + offset) % PRIME % BUCKETS
