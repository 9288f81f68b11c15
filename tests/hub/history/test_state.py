"""What was live at a moment: exact to the change of the catalog, in every time zone, before and after everything."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hub.errors import HubError
from hub.history import Change
from hub.history.moments import format_moment, parse_moment
from hub.history.state import State, fold

NAME = "team3_credit_scoring"
START = datetime(2026, 10, 31, 22, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


CHANGES = [
    Change(NAME, "registered", version=6, by="alice", at=at(0)),
    Change(NAME, "alias", "champion", 6, None, "alice", "first", at(1)),
    Change(NAME, "live", "champion", 6, None, "publisher", "", at(2)),
    Change(NAME, "alias", "champion", 7, 6, "bob", "better AUC", at(10)),
    Change(NAME, "weight", "challenger", by="bob", at=at(11), details={"weight": "12.5"}),
    Change(NAME, "alias", "challenger", 6, None, "bob", "to compare", at(11)),
    Change(NAME, "live", "champion", 7, 6, "publisher", "", at(12)),
    Change(NAME, "live", "challenger", 6, None, "publisher", "", at(13)),
    Change(NAME, "refused", None, 8, None, "publisher", "NaN", at(14)),
    Change(NAME, "rolled back", "champion", 6, 7, "carol", "complaints", at(20)),
    Change(NAME, "live", "champion", 6, 7, "publisher", "", at(21)),
    Change(NAME, "live", "champion", 6, 6, "publisher", "policy", at(25)),
    Change(NAME, "weight", "challenger", by="bob", at=at(30), details={"weight": ""}),
    Change(NAME, "withdrawn", "challenger", 6, None, "publisher", "", at(31)),
    Change(NAME, "withdrawn", None, None, None, "publisher", "", at(40)),
]


def state(minutes: float) -> State:
    return fold(NAME, at(minutes), CHANGES)


@pytest.mark.parametrize(
    ("minutes", "version", "since"),
    [
        (-1, None, None),
        (1.5, None, None),
        (2, 6, 2),
        (11.99, 6, 2),
        (12, 7, 12),
        (20.5, 7, 12),
        (21, 6, 21),
        (39.99, 6, 21),
        (40, None, None),
        (1e6, None, None),
    ],
)
def test_a_version_is_live_from_the_moment_that_the_catalog_says_so(
    minutes: float, version: int | None, since: float | None
) -> None:
    found = state(minutes)
    assert (found.version, found.since) == (version, None if since is None else at(since))


def test_a_microsecond_decides() -> None:
    before = fold(NAME, at(12) - timedelta(microseconds=1), CHANGES)
    assert (before.version, state(12).version) == (6, 7)


def test_who_moved_the_alias_made_it_live_not_who_published_it() -> None:
    assert [(state(each).by, state(each).reason) for each in (2, 12, 21)] == [
        ("alice", "first"),
        ("bob", "better AUC"),
        ("carol", "complaints"),
    ]


def test_aliases_weights_and_all_that_is_live_belong_to_it() -> None:
    assert state(11.5).aliases == {"champion": 7, "challenger": 6}
    assert state(11.5).live == {"champion": 6}
    assert state(14).live == {"champion": 7, "challenger": 6}
    assert (state(14).weights, state(30).weights) == ({"challenger": "12.5"}, {})
    assert state(31).live == {"champion": 6}


@pytest.fixture
def berlin() -> Iterator[None]:
    """This process is in Berlin for a while."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ")
    os.environ.update({} if before is None else {"TZ": before})
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01T00:00", datetime(2026, 10, 31, 23, 0, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 10, 31, 23, 0, tzinfo=UTC)),
        ("2026-07-01 12:00:00.000001", datetime(2026, 7, 1, 10, 0, 0, 1, tzinfo=UTC)),
        ("2026-11-01T00:00Z", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T00:00-05:30", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_local(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment


@pytest.mark.usefixtures("berlin")
def test_a_moment_is_shown_in_local_time_with_its_zone() -> None:
    assert format_moment(datetime(2026, 11, 1, 5, 30, 1, tzinfo=UTC)) == "2026-11-01 06:30:01+01:00"


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "0001-01-01T00:00+14:00", "12:00"])
def test_what_is_no_time_says_how_to_write_one(text: str) -> None:
    with pytest.raises(HubError, match=r"is no time: write 2026-11-01T00:00, or 2026-11-01T00:00\+01:00 for a zone"):
        parse_moment(text)


def test_a_change_needs_a_kind_that_is_known_and_a_time_with_a_zone() -> None:
    with pytest.raises(ValueError, match="'moved' is no kind of change: alias, experiment, live"):
        Change(NAME, "moved")
    with pytest.raises(ValueError, match="needs a zone"):
        Change(NAME, "alias", at=datetime(2026, 1, 1))  # noqa: DTZ001 - it is what is refused
    assert Change(NAME, "alias", at=datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))).at == datetime(
        2025, 12, 31, 23, tzinfo=UTC
    )
