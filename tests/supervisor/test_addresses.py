"""Addresses are checked before anything is started on them."""

import socket

import pytest
from gapura_supervisor.addresses import require_free, reserve, target_of
from gapura_supervisor.errors import SupervisionError


@pytest.mark.parametrize(
    ("listen", "target"),
    [("127.0.0.1:9003", "127.0.0.1:9003"), ("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("db:1", "db:1")],
)
def test_callers_on_this_machine_find_the_gateway(listen: str, target: str) -> None:
    assert target_of(listen) == target


@pytest.mark.parametrize("listen", ["9003", ":9003", "localhost", "localhost:", "localhost:0", "localhost:70000"])
def test_an_address_is_a_host_and_a_port(listen: str) -> None:
    with pytest.raises(SupervisionError, match="HOST:PORT"):
        target_of(listen)


def test_a_taken_port_is_noticed_before_a_stranger_is_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        listen = f"127.0.0.1:{stranger.getsockname()[1]}"
        with pytest.raises(SupervisionError, match="choose another with --listen"):
            require_free(listen)
    require_free(listen)


def test_reserved_port_is_shared_by_those_who_say_so_and_refused_to_strangers() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    with reserve(listen):
        with pytest.raises(SupervisionError, match="choose another with --listen"):
            require_free(listen)
        with socket.socket() as worker:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind(("127.0.0.1", int(listen.rpartition(":")[2])))
            worker.listen()
            socket.create_connection(worker.getsockname()).close()  # the reservation itself takes no connection
            worker.settimeout(5)
            worker.accept()[0].close()


def test_port_whose_last_server_has_just_ended_can_be_reserved() -> None:
    with socket.create_server(("127.0.0.1", 0)) as before:
        host, port = before.getsockname()
        with socket.create_connection((host, port)) as caller:
            before.accept()[0].close()  # the server is the first to close, so that its side lingers
            assert caller.recv(1) == b""
    reserve(f"{host}:{port}").close()
