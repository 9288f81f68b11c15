"""The newest catalog of file and Redis is served, and what came from Redis is kept for a start without it."""

import multiprocessing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2
from structlog.testing import capture_logs

from gateway.catalog.edition import Edition, read_edition
from gateway.catalog.file import keep, read_file
from gateway.catalog.snapshot import Snapshot
from gateway.catalog.sources import Catalogs
from gateway.errors import CatalogError
from tests.gateway.models import catalog_message


@dataclass
class Shelf:
    """A store that has what it is given."""

    edition: Edition | None = None


def edition(number: int) -> Edition:
    """Returns a catalog of a generation, as if it came from Redis."""
    return read_edition("Redis", catalog_message(number).SerializeToString())


def dividing(number: int) -> Edition:
    """Returns a catalog that this release does not serve."""
    message = catalog_message(number, weight=5_000)
    message.models[0].arms.add(name="challenger", version=1, weight_basis_points=5_000)
    return read_edition("Redis", message.SerializeToString())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog" / "catalog.binpb"


async def test_what_came_from_redis_is_kept_and_an_older_file_replaced(path: Path) -> None:
    shelf = Shelf(edition(3))
    catalogs = Catalogs(path, shelf)
    for number in (3, 4):
        shelf.edition = edition(number)
        assert catalogs.newest(Snapshot()).generation == number
        await catalogs.keep()
        assert (read_file(path).generation, Catalogs(path).newest(Snapshot()).generation) == (number, number)
    assert [each.name for each in path.parent.iterdir() if not each.name.startswith(".")] == [path.name]


async def test_a_newer_file_is_served_and_left_alone(path: Path) -> None:
    keep(path, edition(9))
    catalogs = Catalogs(path, Shelf(edition(8)))
    assert catalogs.newest(Snapshot()).generation == 9
    await catalogs.keep()
    assert read_file(path).generation == 9


async def test_a_broken_file_is_passed_over_and_mended(path: Path) -> None:
    keep(path, replace(edition(1), content=b"\xff"))
    catalogs = Catalogs(path, Shelf(edition(2)))
    with capture_logs() as logs:
        for _ in range(3):
            assert catalogs.newest(Snapshot()).generation == 2
    assert ["is not a catalog" in entry["reason"] for entry in logs] == [True]
    await catalogs.keep()
    assert read_file(path).generation == 2


def test_a_newer_catalog_that_cannot_be_served_is_passed_over_for_one_that_can(path: Path) -> None:
    keep(path, edition(5))
    with capture_logs() as logs:
        assert Catalogs(path, Shelf(dividing(6))).newest(Snapshot(5)).generation == 5
    assert ["divide its traffic" in entry["reason"] for entry in logs] == [True]
    with pytest.raises(CatalogError, match="divide its traffic"):
        Catalogs(path, Shelf(dividing(6))).newest(Snapshot(6))


async def test_a_file_that_cannot_be_written_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    catalogs = Catalogs(tmp_path / "file/catalog.binpb", Shelf(edition(1)))
    with capture_logs() as logs:
        for _ in range(3):
            assert catalogs.newest(Snapshot()).generation == 1
            await catalogs.keep()
    assert [entry["event"] for entry in logs] == ["catalog cannot be kept for a restart"]


def keep_many(path: Path, first: int) -> None:
    """Keeps catalogs as a worker does that is told of some of them."""
    for number in range(first, 61, 3):
        keep(path, edition(number))
        assert read_file(path).generation >= number


def test_workers_that_keep_at_once_never_put_back_an_older_catalog(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=keep_many, args=(path, first)) for first in (1, 2, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert catalog_pb2.Catalog.FromString(path.read_bytes()) == catalog_message(60)
