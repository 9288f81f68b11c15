"""Nodes are found by address or by name; names are looked up again, and outlive a resolver that fails."""

import pytest

from gateway.backends.triton.discovery import Discovery, resolve_name
from gateway.errors import ConfigurationError


@pytest.mark.parametrize(
    "address", ["", "host:", ":8001", "a b:1", "host:0", "host:65536", "host:http", "host:\uff18001"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="write host or host:port"):
        Discovery([address])


async def test_addresses_are_nodes_as_they_stand() -> None:
    async def never(host: str, port: int) -> set[str]:
        raise AssertionError((host, port))

    discovery = Discovery(["127.0.0.1:8001", " 10.0.0.1:8001", "[::1]:8001"], never)
    assert await discovery.find() == {"127.0.0.1:8001", "10.0.0.1:8001", "[::1]:8001"}


async def test_a_name_stands_for_all_its_addresses_and_keeps_them_while_nobody_can_be_asked() -> None:
    answers: list[set[str] | None] = [{"10.0.0.1:8001", "10.0.0.2:8001"}, None, {"10.0.0.3:8001"}]

    async def resolve(host: str, port: int) -> set[str]:
        assert (host, port) == ("triton.svc", 8001)
        answer = answers.pop(0)
        if answer is None:
            raise OSError
        return answer

    discovery = Discovery(["triton.svc:8001"], resolve)
    assert await discovery.find() == {"10.0.0.1:8001", "10.0.0.2:8001"}
    assert await discovery.find() == {"10.0.0.1:8001", "10.0.0.2:8001"}
    assert await discovery.find() == {"10.0.0.3:8001"}


@pytest.mark.parametrize("name", ["no-such-host.invalid:8001", "a..b:8001", f"{'x' * 70}.y:8001"])
async def test_a_name_that_was_never_known_is_no_node(name: str) -> None:
    assert await Discovery([name]).find() == set()


async def test_without_a_port_it_is_tritons_own() -> None:
    assert await Discovery(["127.0.0.1", "[::1]"]).find() == {"127.0.0.1:8001", "[::1]:8001"}


async def test_the_systems_resolver_names_each_node_once() -> None:
    assert await resolve_name("localhost", 8001) == {"127.0.0.1:8001"}
