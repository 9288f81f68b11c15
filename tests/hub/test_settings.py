"""Settings are read from the environment; a wrong one says which and how it should look."""

import socket

import pytest

from hub.errors import HubError
from hub.nodes.fleet import open_fleet, resolve
from hub.settings import HubSettings, read_settings


def test_there_are_no_nodes_unless_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (None, "", " ", ",", " , "):
        if text is not None:
            monkeypatch.setenv("GAPURA_NODES", text)
        assert (read_settings().nodes, read_settings().gpu_nodes) == ((), ())


def test_nodes_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_NODES", "127.0.0.1:8001, triton , [::1]:8002")
    monkeypatch.setenv("GAPURA_GPU_NODES", ",, gpu-1.example:8001,")
    assert read_settings().nodes == ("127.0.0.1:8001", "triton", "[::1]:8002")
    assert read_settings().gpu_nodes == ("gpu-1.example:8001",)


@pytest.mark.parametrize("text", ["a b", "http://a:8001", "a:", "a:b", "a:0", "a:65536", "a:8001:1", "::1"])
def test_what_is_no_node_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GAPURA_GPU_NODES", text)
    with pytest.raises(HubError, match="^GAPURA_GPU_NODES: '.*' is no node: write HOST:PORT or HOST"):
        read_settings()


@pytest.mark.parametrize("text", ["", "localhost", "localhost:x", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80"])
def test_what_is_no_place_to_listen_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GAPURA_WEBHOOK_LISTEN", text)
    with pytest.raises(HubError, match="^GAPURA_WEBHOOK_LISTEN: '.*' is no place to listen: write HOST:PORT"):
        read_settings()


@pytest.mark.parametrize("text", [":9100", "[::]:9100", "0.0.0.0:0", "hub.example:9100"])
def test_webhooks_are_taken_where_it_is_said(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GAPURA_WEBHOOK_LISTEN", text)
    assert read_settings().webhook_listen == text


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_a_handover_takes_a_time(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GAPURA_HANDOVER_SECONDS", text)
    with pytest.raises(HubError, match="^GAPURA_HANDOVER_SECONDS: "):
        read_settings()
    assert HubSettings.model_fields["handover_seconds"].default == 5


@pytest.mark.parametrize(
    ("entry", "addresses"),
    [
        ("127.0.0.1:9001", ["127.0.0.1:9001"]),
        ("127.0.0.1", ["127.0.0.1:8001"]),
        ("[::1]:9001", ["[::1]:9001"]),
        ("[::1]", ["[::1]:8001"]),
        ("nobody.invalid:9001", ["nobody.invalid:9001"]),
        ("a..b", ["a..b:8001"]),
    ],
)
def test_an_entry_has_addresses(entry: str, addresses: list[str]) -> None:
    assert resolve(entry) == addresses


def test_a_name_stands_for_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 8001)) for host in ("10.0.0.2", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    assert resolve("triton") == ["10.0.0.1:8001", "10.0.0.2:8001"]


def test_a_node_in_both_pools_is_one_node() -> None:
    with open_fleet(["127.0.0.1:1", "127.0.0.1:1"], ["127.0.0.1:2", "127.0.0.1:1"]) as fleet:
        assert [node.address for node in fleet.cpu] == ["127.0.0.1:1"]
        assert [node.address for node in fleet.nodes()] == ["127.0.0.1:1", "127.0.0.1:2"]
        assert fleet.cpu[0] is fleet.gpu[1]
