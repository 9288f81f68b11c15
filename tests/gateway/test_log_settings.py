"""LogSettings of the embedded backend: lines of a level that is switched off are really dropped."""

from typing import Any

import pytest
import structlog
from tritonclient.grpc import service_pb2

from gateway.backends.log_settings import set_logs
from gateway.logs import configure_logs


async def change(**settings: Any) -> None:
    """Changes settings."""
    kinds = {bool: "bool_param", str: "string_param", int: "uint32_param"}
    made = {
        name: service_pb2.LogSettingsRequest.SettingValue(**{kinds[type(value)]: value})
        for name, value in settings.items()
    }
    await set_logs(service_pb2.LogSettingsRequest(settings=made).SerializeToString())


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Says something on every level; returns which of it arrived."""
    log = structlog.get_logger()
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)(f"{level} line")
    told = capsys.readouterr().err
    return [level for level in ("debug", "info", "warning", "error", "critical") if f"{level} line" in told]


async def test_each_level_is_switched_off_and_on_again(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    assert said(capsys) == ["info", "warning", "error", "critical"]
    await change(log_info=False)
    assert said(capsys) == ["warning", "error", "critical"]
    await change(log_error=False)
    assert said(capsys) == ["warning"]
    await change(log_info=True, log_warning=False, log_verbose_level=1)
    assert said(capsys) == ["debug", "info"]
    await change(log_warning=True, log_error=True, log_verbose_level=0)
    assert said(capsys) == ["info", "warning", "error", "critical"]


async def test_times_have_whole_seconds_when_asked_so(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    await change(log_format="ISO8601")
    structlog.get_logger().info("a line")
    assert "Z" in (line := capsys.readouterr().err)
    assert "." not in line.split("a line")[-1].split("Z")[0].rpartition("T")[2]
