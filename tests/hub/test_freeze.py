"""Freeze windows: when nothing goes live, and what a broken file says."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.errors import HubError
from hub.freeze import Window, active, read_windows, require_thawed

NAME = "team3_credit_scoring"
CLOSE = """
windows:
  - monthly: {{from_day: {}, until_day: {}}}
    zone: Europe/Berlin
    reason: period close
"""


def read(tmp_path: Path, text: str) -> tuple[Window, ...]:
    path = tmp_path / "freeze.yaml"
    path.write_text(text)
    return read_windows(path)


def words(windows: tuple[Window, ...], moment: str, name: str = NAME) -> str | None:
    window = active(windows, name, datetime.fromisoformat(moment))
    return window.words if window else None


@pytest.mark.parametrize(
    ("moment", "frozen"),
    [
        ("2026-12-18T17:59:59+01:00", False),
        ("2026-12-18T18:00+01:00", True),
        ("2026-12-18T17:00+00:00", True),
        ("2027-01-04T05:59:59+01:00", True),
        ("2027-01-04T06:00+01:00", False),
    ],
)
def test_a_window_holds_from_its_beginning_until_before_its_end(tmp_path: Path, moment: str, *, frozen: bool) -> None:
    text = "windows: [{from: 2026-12-18T18:00+01:00, until: 2027-01-04T06:00+01:00, reason: end of the year}]"
    expected = "frozen until 2027-01-04 06:00 UTC+01:00: end of the year"
    assert words(read(tmp_path, text), moment) == (expected if frozen else None)


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-11-28T22:59:59+00:00", None),  # 23:59 in Berlin on the third-to-last day
        ("2026-11-28T23:00+00:00", "2026-12-04 00:00 CET"),
        ("2026-12-03T22:59:59+00:00", "2026-12-04 00:00 CET"),
        ("2026-12-03T23:00+00:00", None),
        ("2026-12-31T12:00+00:00", "2027-01-04 00:00 CET"),  # over the end of the year
        ("2027-01-02T12:00+00:00", "2027-01-04 00:00 CET"),
        ("2028-02-27T22:59:59+00:00", None),  # a leap year
        ("2028-02-27T23:00+00:00", "2028-03-04 00:00 CET"),
        ("2026-03-29T21:59:59+00:00", None),  # the clock went forward that morning: the 30th begins at 22:00 UTC
        ("2026-03-29T22:00+00:00", "2026-04-04 00:00 CEST"),
        ("2026-04-03T21:59:59+00:00", "2026-04-04 00:00 CEST"),
        ("2026-04-03T22:00+00:00", None),
    ],
)
def test_a_period_close_spans_the_end_of_the_month(tmp_path: Path, moment: str, until: str | None) -> None:
    expected = f"frozen until {until}: period close" if until else None
    assert words(read(tmp_path, CLOSE.format(-2, 3)), moment) == expected


@pytest.mark.parametrize(
    ("days", "moment", "frozen"),
    [
        ((10, 12), "2026-05-12T23:59+02:00", True),
        ((10, 12), "2026-05-13T00:00+02:00", False),
        ((10, 10), "2026-05-10T12:00+02:00", True),
        ((-3, -1), "2026-05-31T23:59+02:00", True),
        ((-3, -1), "2026-06-01T00:00+02:00", False),
        ((25, -1), "2026-02-28T12:00+01:00", True),
        ((28, 27), "2026-05-01T12:00+02:00", True),  # never open
    ],
)
def test_days_of_one_month_and_of_the_next(tmp_path: Path, days: tuple[int, int], moment: str, *, frozen: bool) -> None:
    assert bool(words(read(tmp_path, CLOSE.format(*days)), moment)) is frozen


@pytest.mark.parametrize(
    ("patterns", "frozen"),
    [
        ("[team3/*]", True),
        ("[team3_*]", True),
        ("[team3/credit_scoring]", True),
        ("[team4/*, '*/credit*']", True),
        ("[team4/*]", False),
        ("[team3]", False),
        ("[]", False),
    ],
)
def test_patterns_choose_models_in_either_form(tmp_path: Path, patterns: str, *, frozen: bool) -> None:
    windows = read(tmp_path, CLOSE.format(1, -1) + f"    models: {patterns}\n")
    assert bool(words(windows, "2026-11-15T12:00+00:00")) is frozen


def test_of_several_windows_the_one_that_ends_last_is_told(tmp_path: Path) -> None:
    text = "windows:\n" + "".join(
        f"- {{from: 2026-01-01T00:00Z, until: 2026-{month:02}-01T00:00Z, reason: until {month}}}\n"
        for month in (3, 5, 4)
    )
    assert words(read(tmp_path, text), "2026-02-01T00:00Z") == "frozen until 2026-05-01 00:00 UTC: until 5"


def test_a_zone_beside_times_is_theirs(tmp_path: Path) -> None:
    text = "windows: [{from: 2026-07-01, until: 2026-07-02T12:00, zone: Asia/Tokyo, reason: audit}]"
    windows = read(tmp_path, text)
    assert words(windows, "2026-06-30T15:00Z") == "frozen until 2026-07-02 12:00 JST: audit"
    assert words(windows, "2026-06-30T14:59Z") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write a list under `windows:`; `windows: []` is none"),
        ("- from: 2026", "write a list under `windows:`; `windows: []` is none"),
        ("windows: 1", "windows: write a list"),
        ("windows: [{reason: x}]", "windows 1: write `from` and `until`, or `monthly` and `zone`"),
        ("windows: [{from: soon, until: later, reason: x}]", "windows 1 from: 'soon' is no time: write one such as"),
        ("windows: [{from: 2026-01-01, until: 2026-01-02, reason: x}]", "windows 1: its times need a zone"),
        ("windows: [{from: 2026-01-02T00:00Z, until: 2026-01-02T00:00Z, reason: x}]", "windows 1: it ends before it"),
        (
            "windows: [{from: 2026-01-01T00:00Z, until: 9999-12-31T23:59-05:00, reason: x}]",
            "windows 1: its times lie too",
        ),
        (CLOSE.format(0, 3), "windows 1 monthly from_day: write a day from 1 to 28"),
        (CLOSE.format(1, 31), "windows 1 monthly until_day: write a day from 1 to 28"),
        (CLOSE.format(1, 3).replace("Berlin", "Atlantis"), "windows 1 zone: 'Europe/Atlantis' is no time zone"),
        ("windows: [{monthly: {from_day: 1, until_day: 2}, reason: x}]", "windows 1: `monthly` needs a `zone`"),
        (CLOSE.format(1, 3) + "    until: 2026-01-01T00:00Z", "windows 1: write either `from` and `until`, or"),
        (CLOSE.format(1, 3) + "    models: team3/*", "windows 1 models: write a list"),
        (CLOSE.format(1, 3) + "    model: [team3/*]", "windows 1 model: Extra inputs are not permitted"),
        ("windows: [{from: 2026-01-01T00:00Z, until: 2026-01-02T00:00Z}]", "windows 1 reason: Field required"),
        ("windows: [}", "cannot be read: while parsing a flow node"),
    ],
)
def test_a_broken_file_says_what_to_change(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HubError) as raised:
        read(tmp_path, text)
    assert message in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "freeze.yaml"))


def test_a_missing_file_freezes_nothing(tmp_path: Path) -> None:
    assert read_windows(tmp_path / "freeze.yaml") == ()
    require_thawed(tmp_path / "freeze.yaml", NAME)


def test_a_promotion_in_a_window_is_told_its_end_and_reason(tmp_path: Path) -> None:
    year = datetime.now(UTC).year
    path = tmp_path / "freeze.yaml"
    path.write_text(f"windows: [{{from: {year}-01-01T00:00Z, until: {year + 2}-01-01T00:00Z, reason: audit}}]")
    message = f"{NAME} is frozen until {year + 2}-01-01 00:00 UTC: audit; --override TEXT promotes it all the same"
    with pytest.raises(HubError, match=message):
        require_thawed(path, NAME)
