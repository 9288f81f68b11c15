"""Settings come from the environment, and a value that is not valid names its variable."""

import pytest

from gateway.app import Gateway
from gateway.errors import ConfigurationError
from gateway.settings import read_settings


def test_the_environment_is_read_and_an_option_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("GAPURA_QUEUE_ROWS", "7")
    assert (read_settings().listen, read_settings(listen="127.0.0.1:2").listen) == ("127.0.0.1:1", "127.0.0.1:2")
    assert read_settings(listen=None).queue_rows == 7


def test_a_value_that_is_not_valid_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_MAX_MESSAGE_MIB", "lots")
    with pytest.raises(ConfigurationError, match=r"GAPURA_MAX_MESSAGE_MIB: .*integer"):
        read_settings()


async def test_a_name_that_nothing_has_lists_the_names_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match="GAPURA_LISTENER: there is no 'nope'; choose grpcio"):
        Gateway(read_settings(listener="nope"))


def test_the_password_of_redis_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_REDIS_URL", "redis://user:hidden@host:6379")
    settings = read_settings()
    assert "hidden" not in f"{settings} {settings!r} {settings.model_dump()}"
    monkeypatch.setenv("GAPURA_REDIS_URL", "nonsense://user:hidden@host")
    with pytest.raises(ConfigurationError, match="GAPURA_REDIS_URL: write redis://") as refused:
        Gateway(read_settings())
    assert "hidden" not in refused.value.message
