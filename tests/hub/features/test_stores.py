"""Every kind of Redis holds features: one server, a service of Sentinels, a cluster; what it refuses is explained."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gapura_features.packed import RowFormat
from gapura_features.pushing import PushedRow

from hub.errors import HubError
from hub.features.connection import StoreAwayError, connect
from hub.features.materializing import Materialization
from hub.features.store import Store
from tests.catalog.valkey import Valkey, running
from tests.hub.features.views import NOW_MS, Quiet, declare, write_source
from tests.redis_servers import redis_cluster, sentinel


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found.url


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sentinel(tmp_path_factory.mktemp("sentinel")) as found:
        yield found.url


@pytest.mark.parametrize("kind", ["cluster", "service"])
def test_a_view_is_materialised_pushed_to_and_made_anew(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = Store(connect(request.getfixturevalue(kind)), "customer_test")
    rows = [(f"C{index}", NOW_MS, float(index), 1, "source") for index in range(3_000)]
    declaration = declare(write_source(tmp_path / "source.parquet", rows))
    format_ = RowFormat(declaration.row_schema)
    run = Materialization(store, declaration, tmp_path, Quiet(), settle_seconds=0, grace_seconds=0)
    assert run.run().data == 2
    pushed = [PushedRow(f"C{index}", format_.pack((0.5, 2, "pushed"), NOW_MS + 1)) for index in range(100)]
    late = PushedRow("C7", format_.pack((0.5, 2, "late"), NOW_MS))
    assert store.push([*pushed, late]) == 100
    assert store.waiting() == 101
    assert run.run().data == 3
    found = [format_.unpack(row or b"") for row in store.read(3, ["C0", "C99", "C100", "C2999"])]
    assert [row.values[2] for row in found] == ["pushed", "pushed", "source", "source"]
    assert store.read(2, ["C0", "C2999"]) == [None, None]
    assert store.waiting() == 0


def test_a_socket_of_this_machine_holds_features(tmp_path: Path) -> None:
    with running("--unixsocket", str(tmp_path / "socket")):
        store = Store(connect(f"unix://{tmp_path}/socket"), "customer_test")
        store.write(["f:customer_test.1:C1"], [b"row"])
        assert store.read(1, ["C1"]) == [b"row"]


def test_what_a_user_may_not_is_explained(valkey: Valkey) -> None:
    valkey.do("ACL", "SETUSER", "reader", "on", ">secret", "~f:*", "+get", "+mget")
    store = Store(connect(valkey.url("reader:secret@")), "customer_test")
    assert store.pointer().live == 1
    with pytest.raises(HubError, match=r"this user of Redis may not .*allow it"):
        store.write(["f:customer_test.1:C1"], [b"row"])


def test_a_replica_and_a_wrong_password_are_explained(valkey: Valkey) -> None:
    with (
        running("--replicaof", f"127.0.0.1 {valkey.port}") as replica,
        pytest.raises(HubError, match="this Redis is a replica, which is read only"),
    ):
        Store(connect(replica.url()), "customer_test").write(["f:customer_test.1:C1"], [b"row"])
    with running("--requirepass", "secret") as locked, pytest.raises(HubError, match="does not accept user and pass"):
        Store(connect(locked.url(":wrong@")), "customer_test").pointer()


def test_a_redis_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(StoreAwayError, match="Redis does not answer"):
        Store(connect(f"unix://{tmp_path}/nothing"), "customer_test").pointer()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "redis+cluster://",
        "redis+cluster://127.0.0.1:secret",
        "redis+cluster://127.0.0.1:1/service",
        "redis+sentinel://user:secret@127.0.0.1:1",
    ],
)
def test_a_url_that_is_none_is_not_repeated(url: str) -> None:
    with pytest.raises(HubError, match="GAPURA_FEATURES_URL: write redis://") as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_a_pointer_that_is_none_is_named(valkey: Valkey) -> None:
    valkey.do("SET", "f:@customer_test", "[]")
    with pytest.raises(HubError, match=r"key 'f:@customer_test': .* delete it"):
        Store(connect(valkey.url()), "customer_test").pointer()
