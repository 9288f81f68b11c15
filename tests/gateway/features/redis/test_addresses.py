"""Addresses of Redis, of every kind, and what is said of bad ones."""

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.features.redis.addresses import Kind, Place, read_address
from tests.envoy.certificates import Authority


def test_single_server_has_user_password_and_database() -> None:
    address = read_address("redis://reader:s%3Acret@cache.example:7000/3")
    assert (address.kind, address.places) == (Kind.SINGLE, (Place("cache.example", 7000),))
    assert (address.user, address.password, address.database, address.tls) == ("reader", "s:cret", 3, None)


def test_ports_are_those_of_redis_and_sentinel_where_none_is_written() -> None:
    assert read_address("redis://cache").places == (Place("cache", 6379),)
    assert read_address("redis+cluster://a,b:1").places == (Place("a", 6379), Place("b", 1))
    assert read_address("redis+sentinel://a,b:1/main").places == (Place("a", 26379), Place("b", 1))


def test_sentinel_has_service_and_database() -> None:
    address = read_address("redis+sentinel://:secret@a:1,[::1]:2/main/4")
    assert (address.kind, address.service, address.database) == (Kind.SENTINEL, "main", 4)
    assert (address.places, address.password) == ((Place("a", 1), Place("::1", 2)), "secret")


def test_unix_socket_is_a_place() -> None:
    address = read_address("unix:///run/redis.sock")
    assert (address.kind, address.places) == (Kind.SINGLE, (Place("/run/redis.sock", 0),))


def test_unix_socket_has_a_user_too() -> None:
    address = read_address("unix://reader:secret@/run/redis.sock")
    assert (address.user, address.password, address.places) == ("reader", "secret", (Place("/run/redis.sock", 0),))


@pytest.mark.parametrize("scheme", ["rediss", "rediss+cluster", "rediss+sentinel"])
def test_tls_trusts_the_authority_that_is_named(tmp_path: Path, scheme: str) -> None:
    authority = Authority(tmp_path, "authority")
    pair = authority.sign("gateway")
    options = f"ssl_ca_certs={authority.file}&ssl_certfile={pair.certificate}&ssl_keyfile={pair.key}"
    address = read_address(f"{scheme}://cache:1/{'main' if 'sentinel' in scheme else ''}?{options}")
    assert address.tls is not None
    assert address.tls.check_hostname
    subjects = [each["subject"] for each in address.tls.get_ca_certs()]
    assert ((("commonName", "authority"),),) in subjects


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cache:6379",
        "http://user:secret@cache",
        "redis://user:secret@cache:port",
        "redis://user:secret@cache/first",
        "redis://user:secret@cache/1/2",
        "redis://user:secret@a,b",
        "redis://user:secret@cache?socket_timeout=5",
        "redis://user:secret@cache?protocol=3",
        "redis://user:secret@cache?ssl_ca_certs=/secret",
        "rediss://user:secret@cache?ssl_no_such=1",
        "rediss://user:secret@cache?ssl_cert_reqs=secret",
        "rediss://user:secret@cache?ssl_ca_certs=/no/secret",
        "redis+sentinel://user:secret@cache",
        "redis+sentinel://user:secret@cache/main/first",
        "redis+cluster://user:secret@cache/1",
        "redis+ring://user:secret@cache",
        "unix://user:secret@",
    ],
)
def test_bad_addresses_are_told_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="GAPURA_FEATURES_URL") as raised:
        read_address(url)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_password_is_not_shown() -> None:
    assert "secret" not in repr(read_address("redis://:secret@cache"))
