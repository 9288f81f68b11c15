"""`LogSettings` of the embedded backend: governs the gateway's own log, with Triton's names and words.

`log_info`, `log_warning` and `log_error` each switch one level; a `log_verbose_level` of 1 or more lets debug lines
through. Under `log_format` "ISO8601" times have whole seconds, as Triton's have.
"""

import logging
from typing import Any

import structlog
from structlog.processors import TimeStamper
from structlog.typing import EventDict
from tritonclient.grpc import service_pb2

from gateway.backends.operations import NOT_SERVED, ONE_OF, REFUSED
from gateway.errors import InvalidRequest, Unimplemented

LEVELS = {"log_info": logging.INFO, "log_warning": logging.WARNING, "log_error": logging.ERROR}
VERBOSE, FORMAT, FILE = "log_verbose_level", "log_format", "log_file"
FORMATS = {"default": "iso", "ISO8601": "%Y-%m-%dT%H:%M:%SZ"}
KINDS = {
    **dict.fromkeys(LEVELS, ("bool_param", "boolean")),
    VERBOSE: ("uint32_param", "int32"),
    FORMAT: ("string_param", "string"),
}


class Switches:
    """The first processor of the log: drops lines of levels that are switched off.

    Attributes:
        settings: Value of each setting.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def __call__(self, logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG002 - structlog's interface
        """Lets a line pass, or drops it."""
        name = {"exception": "log_error", "critical": "log_error"}.get(method, f"log_{method}")
        if not self.settings.get(name, True):
            raise structlog.DropEvent
        return event


async def set_logs(request: bytes) -> bytes:
    """Changes what is asked, all or nothing, and says how all settings stand.

    Raises:
        InvalidRequest: A value is not one that the setting takes.
        Unimplemented: The log is to go to a file.
    """
    asked = service_pb2.LogSettingsRequest.FromString(request).settings
    wanted = read_settings(asked)
    settings = current() | wanted
    if wanted:
        apply(settings)
    answer = service_pb2.LogSettingsResponse()
    for name, (kind, _) in KINDS.items():
        setattr(answer.settings[name], kind, settings[name])
    answer.settings[FILE].string_param = ""
    return bytes(answer.SerializeToString())


def read_settings(asked: Any) -> dict[str, Any]:
    """Returns what is to change; settings that do not exist are passed over, as in Triton.

    Raises:
        InvalidRequest: A value is not one that the setting takes.
        Unimplemented: The log is to go to a file.
    """
    if FILE in asked:
        raise Unimplemented(NOT_SERVED, "log file location can not be updated through network protocol")
    wanted = {}
    for name, (kind, told) in KINDS.items():
        if name in asked:
            if asked[name].WhichOneof(ONE_OF) != kind:
                raise InvalidRequest(REFUSED, f"expect {told} for '{name}'", setting=name)
            wanted[name] = getattr(asked[name], kind)
    if wanted.get(FORMAT, "default") not in FORMATS:
        raise InvalidRequest(REFUSED, f"invalid argument for {FORMAT}, got: {wanted[FORMAT]}", setting=FORMAT)
    return wanted


def current() -> dict[str, Any]:
    """Returns how the settings stand; before the first change, as the gateway was started."""
    first = next(iter(structlog.get_config()["processors"]), None)
    if isinstance(first, Switches):
        return first.settings
    log = structlog.get_logger()
    levels = {name: bool(log.is_enabled_for(level)) for name, level in LEVELS.items()}
    return {**levels, VERBOSE: int(log.is_enabled_for(logging.DEBUG)), FORMAT: "default"}


def apply(settings: dict[str, Any]) -> None:
    """Makes the log follow the settings."""
    stamp = TimeStamper(fmt=FORMATS[settings[FORMAT]], utc=True)
    others = [each for each in structlog.get_config()["processors"] if not isinstance(each, Switches)]
    structlog.configure(
        processors=[Switches(settings), *(stamp if isinstance(each, TimeStamper) else each for each in others)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if settings[VERBOSE] else logging.INFO),
    )
