"""Freeze windows: times such as a period close in which no version goes live, unless somebody says why it must.

    windows:
      - from: 2026-12-18T18:00+01:00
        until: 2027-01-04T06:00+01:00
        reason: end of the year
      - monthly: {from_day: -2, until_day: 3}
        zone: Europe/Berlin
        models: [team3/*]
        reason: period close

The second is every month from the beginning of its second-to-last day to the end of the 3rd of the next.
"""

import calendar
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from hub.errors import HubError

_STRICT = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _read_zone(text: Any) -> ZoneInfo:
    try:
        return ZoneInfo(str(text))
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{text!r} is no time zone: write one such as Europe/Berlin") from error


def _read_moment(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: write one such as 2026-12-18T18:00+01:00") from error


def _require_calendar(*moments: datetime) -> None:
    try:
        for moment in moments:
            moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("its times lie too close to the year 1 or 9999: choose others") from error


def _require_day(day: int) -> int:
    if not 1 <= abs(day) <= _SHORTEST_MONTH:
        raise ValueError("write a day from 1 to 28, or from -28 to -1 counted from the end of the month")
    return day


_SHORTEST_MONTH = 28
_Day = Annotated[int, AfterValidator(_require_day)]
_Moment = Annotated[datetime, BeforeValidator(_read_moment)]
_Zone = Annotated[ZoneInfo, BeforeValidator(_read_zone)]


class Monthly(BaseModel):
    """Days of every month.

    Attributes:
        from_day: First day; -1 is the last of a month.
        until_day: Last day: the first such day on or after `from_day`, so often one of the next month.
    """

    model_config = _STRICT

    from_day: _Day
    until_day: _Day

    def around(self, moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
        """Returns beginning and end of the days that a moment lies in, or None where it lies in none."""
        local = moment.astimezone(zone)
        months = local.year * 12 + local.month - 1
        for start_month in (months - 1, months):
            start, last = _day(start_month, self.from_day, zone), _day(start_month, self.until_day, zone)
            if last < start:
                last = _day(start_month + 1, self.until_day, zone)
            end = last + timedelta(days=1)  # of the calendar, however long the day is
            if start.astimezone(UTC) <= moment < end.astimezone(UTC):
                return start, end
        return None


class Window(BaseModel):
    """A time in which versions of some models do not go live.

    Attributes:
        start: Beginning of one that comes once; `from` in the file.
        until: Its end, which is not part of it.
        monthly: Days of one that comes every month.
        zone: Time zone of its days, and of times that name none.
        models: Patterns over `team3/credit_scoring` or `team3_credit_scoring`.
        reason: What people are told.
    """

    model_config = _STRICT

    start: _Moment | None = Field(default=None, alias="from")
    until: _Moment | None = None
    monthly: Monthly | None = None
    zone: _Zone | None = None
    models: tuple[str, ...] = ("*",)
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _require_one_kind(self) -> Self:
        if self.monthly:
            if self.start or self.until:
                raise ValueError("write either `from` and `until`, or `monthly`")
            if self.zone is None:
                raise ValueError("`monthly` needs a `zone`, such as Europe/Berlin")
            return self
        span = self._span()
        if span is None:
            raise ValueError("write `from` and `until`, or `monthly` and `zone`")
        if span[0].tzinfo is None or span[1].tzinfo is None:
            raise ValueError("its times need a zone: write them with one, such as +01:00, or a `zone` beside them")
        _require_calendar(*span)
        if span[0] >= span[1]:
            raise ValueError("it ends before it begins: `until` has to be later than `from`")
        return self

    def covers(self, name: str) -> bool:
        """Whether a registered model is among its models."""
        return any(fnmatchcase(form, pattern) for form in (name, name.replace("_", "/", 1)) for pattern in self.models)

    def around(self, moment: datetime) -> Self | None:
        """Returns the one time of this window that a moment lies in, or None where it lies in none."""
        span = self.monthly.around(moment, self.zone) if self.monthly and self.zone else self._span()
        if span is None or not span[0].astimezone(UTC) <= moment < span[1].astimezone(UTC):
            return None
        return self.model_copy(update={"start": span[0], "until": span[1], "monthly": None})

    @property
    def words(self) -> str:
        """What people are told of a window that `active` returned."""
        end = f" until {self.until:%Y-%m-%d %H:%M %Z}" if self.until else ""
        return f"frozen{end}: {self.reason}"

    def _span(self) -> tuple[datetime, datetime] | None:
        if self.start is None or self.until is None:
            return None
        start, until = (
            each.replace(tzinfo=self.zone) if each.tzinfo is None and self.zone else each
            for each in (self.start, self.until)
        )
        return start, until


class _File(BaseModel):
    model_config = _STRICT

    windows: tuple[Window, ...]


def active(windows: Iterable[Window], model: str, moment: datetime) -> Window | None:
    """Returns the window that a model is in, with the end of this occurrence; of several, the one that ends last.

    Args:
        windows: All windows.
        model: Registered name.
        moment: With a zone.
    """
    found = [window.around(moment) for window in windows if window.covers(model)]
    return max((window for window in found if window and window.until), key=_end, default=None)


def require_thawed(path: Path, model: str) -> None:
    """Makes sure that a model is in no window now.

    Raises:
        HubError: It is in one, or the file is broken.
    """
    window = active(read_windows(path), model, datetime.now(UTC))
    if window:
        raise HubError(f"{model} is {window.words}; --override TEXT promotes it all the same and says why")


def read_windows(path: Path) -> tuple[Window, ...]:
    """Reads the windows; a file that is missing has none.

    Raises:
        HubError: It is broken; the message says what to change.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but text, lists and mappings
        return _File.model_validate(content).windows
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise HubError(f"{path} cannot be read: {' '.join(str(error).split())}; repair it") from error
    except ValidationError as error:
        raise HubError(f"{path}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    """Returns the first thing that is wrong, and where; windows are counted from 1."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = [str(part + 1) if isinstance(part, int) else part for part in first["loc"]]
    if not place:
        return "write a list under `windows:`; `windows: []` is none"
    message = "write a list" if first["type"] == "tuple_type" else first["msg"].removeprefix("Value error, ")
    return f"{' '.join(place)}: {message}"


def _day(months: int, day: int, zone: ZoneInfo) -> datetime:
    """Returns the beginning of a day, in a month counted from year 0."""
    year, month = months // 12, months % 12 + 1
    number = day if day > 0 else calendar.monthrange(year, month)[1] + 1 + day
    return datetime(year, month, number, tzinfo=zone)


def _end(window: Window) -> float:
    return window.until.timestamp() if window.until else 0.0
