"""Who may see the page, and what is refused."""

import base64
import http.client
import socket
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.operations.access import Access
from gateway.operations.http import MOST_BODY
from gateway.operations.process import Operations
from gateway.telemetry.levels import FILE
from tests.operations.serving import serve_page

TOKEN = "correct horse battery"  # noqa: S105 - of a test


def ask(url: str, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Asks; returns status and content."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def basic(password: str) -> str:
    """Returns what a browser sends."""
    return f"Basic {base64.b64encode(f'operator:{password}'.encode()).decode()}"


@pytest.mark.parametrize("host", ["127.0.0.1:1", "127.0.0.1", "localhost:9006", "LOCALHOST", "[::1]:80", "127.1.2.3:9"])
def test_without_a_token_this_machine_sees_the_page(tmp_path: Path, host: str) -> None:
    with serve_page(tmp_path) as url:
        assert ask(url, Host=host)[0] == 200


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example:9006", "localhost.evil.example", "127.0.0.1.a.b"])
def test_a_name_that_was_made_to_lead_here_gets_nothing(tmp_path: Path, host: str) -> None:
    with serve_page(tmp_path) as url:
        assert ask(url, Host=host)[0] == 403
        assert ask(url, "/live.json", Host=host)[0] == 403
        assert ask(url, "/log-level", "PUT", b"debug", Host=host)[0] == 403
    assert not (tmp_path / FILE).exists()


def test_who_knows_the_token_sees_the_page_under_any_name(tmp_path: Path) -> None:
    with serve_page(tmp_path, token=TOKEN) as url:
        assert ask(url, Authorization=f"Bearer {TOKEN}", Host="gateway.example")[0] == 200
        assert ask(url, Authorization=basic(TOKEN), Host="gateway.example")[0] == 200
        assert ask(url, "/metrics", Authorization=f"bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", TOKEN, basic("wrong"), "Basic !", basic(""), "Other"],
)
@pytest.mark.parametrize("path", ["/", "/traces", "/live.json", "/metrics", "/style.css", "/log-level"])
def test_who_does_not_know_the_token_sees_nothing(tmp_path: Path, shown: str, path: str) -> None:
    with serve_page(tmp_path, token=TOKEN) as url:
        assert ask(url, path, Authorization=shown)[0] == 401


def test_health_is_told_to_everybody(tmp_path: Path) -> None:
    with serve_page(tmp_path, token=TOKEN) as url:
        assert ask(url, "/healthz") == (200, b"ok\n")


@pytest.mark.parametrize("host", ["192.0.2.1", "gateway.example", "::"])
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(ConfigurationError, match="GAPURA_OPERATIONS_TOKEN"):
        Access(host, None)
    Access(host, TOKEN)


def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="16 characters"):
        Operations("127.0.0.1:0", "short", tmp_path, tmp_path)


def test_the_log_level_is_put_and_nothing_else_is(tmp_path: Path) -> None:
    with serve_page(tmp_path) as url:
        assert ask(url, "/log-level", "PUT", b"Debug\n") == (200, b"debug\n")
        assert (tmp_path / FILE).read_text().strip() == "debug"
        assert ask(url, "/log-level", "PUT", b"loud")[0] == 400
        assert ask(url, "/log-level", "PUT", b"\xff\xfe")[0] == 400
        assert ask(url, "/log-level")[0] == 405
        assert ask(url, "/log-level", "POST", b"error")[0] == 501
        assert ask(url, "/", "PUT", b"error")[0] == 405
        assert (tmp_path / FILE).read_text().strip() == "debug"


def test_bodies_and_queries_have_limits(tmp_path: Path) -> None:
    with serve_page(tmp_path) as url:
        assert ask(url, "/log-level", "PUT", b"x" * (MOST_BODY + 1))[0] == 413
        assert ask(url, "/log-level", "PUT", None, **{"Content-Length": "-1"})[0] == 413
        assert ask(url, "/traces?" + "&".join(f"a{number}=1" for number in range(100)))[0] == 400


def test_a_request_that_is_none_ends_nobody(tmp_path: Path) -> None:
    with serve_page(tmp_path) as url:
        host, port = url.removeprefix("http://").split(":")
        for content in (
            b"\r\n\r\n",
            b"\x16\x03\x01",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ):
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(4096)
        assert ask(url)[0] == 200


def test_two_pages_do_not_share_an_address(tmp_path: Path) -> None:
    first = Operations("127.0.0.1:0", None, tmp_path, tmp_path)
    address = first.start()
    second = Operations(address, None, tmp_path, tmp_path)
    with pytest.raises(ConfigurationError, match="GAPURA_OPERATIONS_LISTEN"):
        second.start()
    second.stop()
    first.stop()
