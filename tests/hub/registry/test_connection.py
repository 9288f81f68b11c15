"""The registry says at once when it cannot be opened; MLflow alone would try for minutes."""

import socket
from pathlib import Path

import pytest

from hub.errors import HubError
from hub.registry import ModelRegistry
from tests.hub.registry.processes import free_ports


def test_a_registry_that_cannot_be_opened_says_so_at_once(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, however long one looks at it")
    for path in (tmp_path, tmp_path / "text.db", Path("/proc/nowhere/mlflow.db")):
        with pytest.raises(HubError, match="cannot be opened: .*GAPURA_MLFLOW_URI"):
            ModelRegistry(f"sqlite:///{path}")


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "postgresql+psycopg://gapura@127.0.0.1:{}/mlflow"])
def test_a_registry_that_does_not_answer_says_where(form: str) -> None:
    (port,) = free_ports(1)
    with pytest.raises(HubError, match=rf"the registry at 127\.0\.0\.1:{port} does not answer: .*GAPURA_MLFLOW_URI"):
        ModelRegistry(form.format(port))


@pytest.mark.parametrize("uri", ["http://127.0.0.1:99999", "http://[::1", "postgresql://gapura@host:port/mlflow"])
def test_what_is_no_address_is_told(uri: str) -> None:
    with pytest.raises(HubError, match="GAPURA_MLFLOW_URI is no address"):
        ModelRegistry(uri)


def test_a_server_that_is_no_mlflow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts connections and says nothing."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(HubError, match="refused or did not answer"):
        ModelRegistry(f"http://127.0.0.1:{silent.getsockname()[1]}")
