"""The hub and the gateway read GAPURA_NODES alike: one variable is for both."""

import pytest

from gateway.backends.triton.discovery import Discovery
from gateway.errors import ConfigurationError
from gateway.settings import read_settings as read_gateway_settings
from hub.errors import HubError
from hub.nodes.fleet import resolve
from hub.settings import read_settings as read_hub_settings


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "127.0.0.1:9001", "127.0.0.1:9001,127.0.0.2", " 127.0.0.1 ,, 127.0.0.2:1,", "[::1]", "[::1]:9001"],
)
async def test_what_one_takes_the_other_takes_for_the_same_nodes(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GAPURA_NODES", text)
    hub = {address for entry in read_hub_settings().nodes for address in resolve(entry)}
    assert await Discovery(read_gateway_settings(backend="triton").nodes).find() == hub


@pytest.mark.parametrize("text", ["a b", "http://a:8001", "a:", "a:b", "a:0", "a:65536", "a:8001:1", "::1", "[g]", "ä"])
def test_what_one_refuses_the_other_refuses(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GAPURA_NODES", text)
    with pytest.raises(HubError, match="is no node"):
        read_hub_settings()
    with pytest.raises(ConfigurationError, match="is no node"):
        Discovery(read_gateway_settings(backend="triton").nodes)


@pytest.mark.parametrize("text", ["a..b", "nobody.invalid"])
async def test_a_name_that_nobody_knows_is_no_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GAPURA_NODES", text)
    assert resolve(*read_hub_settings().nodes) == [f"{text}:8001"]
    assert await Discovery(read_gateway_settings(backend="triton").nodes).find() == set()
