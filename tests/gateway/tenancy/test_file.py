"""The tenants file: what is read of it is what YAML says, whatever was read before; changes touch one tenant alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from gateway.tenancy.changing import changing_tenants, dump, dump_tenant
from gateway.tenancy.file import TenantsFile, lay_out
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.types import Priority

TEXT = """# who may call
issuers:
  - issuer: https://login.example
    audience: gapura
    jwks: /etc/jwks.json

tenants: # one each
  # finance asks for much
  - name: finance
    models: [team3_*]   # theirs
    calls_per_second: 1e2
    operator: yes

  - name: crm
    models:
      - team6_*
      - "team3_fraud"
    priority: low
    rest: false
"""


def read(text: str, file: TenantsFile | None = None) -> Tenants:
    """Reads the text of a file."""
    return (file or TenantsFile(Path("tenants.yaml"))).parse(text)


def policies() -> st.SearchStrategy[TenantPolicy]:
    """Makes policies of every kind."""
    texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\x85\u2028\u2029\ufeff"), max_size=12)
    times = st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy's
    keys = st.builds(lambda at: KeyEntry.of(new_key()[1], at, at), times)
    return st.builds(
        TenantPolicy,
        name=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True),
        models=st.lists(texts, max_size=3),
        services=st.lists(texts, max_size=2),
        pins=st.booleans(),
        operator=st.booleans(),
        priority=st.sampled_from(Priority),
        calls_per_second=st.none() | st.floats(1e-3, 1e9),
        concurrency=st.none() | st.integers(1, 10**9),
        keys=st.lists(keys, max_size=2),
        certificates=st.lists(st.sampled_from(["CN=x y", "a.example", "1e5", "null", "~"]), unique=True, max_size=1),
    )


def test_what_people_write_is_read() -> None:
    content = read(TEXT)
    finance, crm = content.tenants
    assert content.issuers[0].issuer == "https://login.example"
    assert (finance.models, finance.calls_per_second, finance.operator) == (("team3_*",), 100, True)
    assert (crm.models, crm.priority, crm.rest) == (("team6_*", "team3_fraud"), Priority.LOW, False)
    assert len(lay_out(TEXT).items) == 2  # type: ignore[union-attr] # it has a layout


@given(st.lists(policies(), max_size=5, unique_by=lambda policy: policy.name))
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_read_tenant_by_tenant_and_as_a_whole(tenants: list[TenantPolicy]) -> None:
    names = [name for tenant in tenants for name in tenant.certificates]
    if len(set(names)) < len(names):
        return
    written = Tenants(tenants=tuple(tenants))
    assert read(dump(written)) == written
    in_flow_style = yaml.safe_dump(written.model_dump(mode="json"), default_flow_style=True)
    assert read(in_flow_style) == written


@pytest.mark.parametrize("key_id", ["12e45678", "00000010", "0x123456"[2:], "1e000001", "12345678"])
def test_a_keys_id_is_text_however_much_it_looks_like_a_number(key_id: str) -> None:
    text = f"tenants:\n- name: a\n  models: []\n  keys:\n  - {{id: {key_id}, salt: 00, sha256: {'0' * 64}}}\n"
    assert read(text).tenants[0].keys[0].id == key_id


def test_tenants_whose_text_is_as_before_are_the_same_objects() -> None:
    file = TenantsFile(Path("tenants.yaml"))
    before = read(TEXT, file)
    after = read(TEXT.replace("team3_fraud", "team3_risk"), file)
    assert after.tenants[0] is before.tenants[0]
    assert after.tenants[1].models == ("team6_*", "team3_risk")


def test_an_alias_is_read_though_its_anchor_is_another_tenants() -> None:
    text = "tenants:\n- name: a\n  models: &all [team1_*, team2_*]\n- name: b\n  models: *all\n"
    assert [tenant.models for tenant in read(text).tenants] == [("team1_*", "team2_*")] * 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (TEXT.replace("rest: false", "rest: perhaps"), r"tenants\.1\.rest: Input should be a valid boolean"),
        (TEXT.replace("priority: low", "priority: urgent"), r"tenants\.1\.priority: .*choose high, normal, low"),
        (TEXT.replace("1e2", "0"), r"tenants\.0\.calls_per_second: Input should be greater than 0"),
        (TEXT.replace("1e2", ".inf"), r"tenants\.0\.calls_per_second"),
        (TEXT.replace("operator: yes", "models: []"), "'models' stands twice"),
        (TEXT.replace("name: crm", "name: finance"), "'finance' stands twice"),
        (TEXT + "tenants: []\n", "'tenants' stands twice"),
        (TEXT + "    tokens: [{issuer: https://other, subject: x}]\n", "the issuer 'https://other' does not stand in"),
        (TEXT + "\tx", "cannot read"),
        (TEXT + "more: 1\n", "more: Extra inputs are not permitted"),
        (TEXT.replace('"team3_fraud"', '"team3_fraud'), "cannot read"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        read(text)


@pytest.mark.parametrize(
    "text", ["", "tenants:\n", "issuers: []\n", "# nothing yet\n", "tenants: []\n", "tenants:\n# none\n"]
)
def test_a_file_without_tenants_takes_the_first(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(text)
    with changing_tenants(path) as known:
        assert not known
        known["a"] = TenantPolicy(name="a", models=("*",))
    assert [tenant.name for tenant in TenantsFile(path).read().tenants] == ["a"]


def test_a_change_leaves_the_others_and_their_comments_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(TEXT)
    with changing_tenants(path) as known:
        known["crm"] = known["crm"].model_copy(update={"rest": True})
        known["new"] = TenantPolicy(name="new", models=("team1_*",))
    text = path.read_text()
    assert text.startswith(TEXT[: TEXT.index("  - name: crm")])
    assert [(tenant.name, tenant.rest) for tenant in TenantsFile(path).read().tenants] == [
        ("finance", True),
        ("crm", True),
        ("new", True),
    ]
    with changing_tenants(path) as known:
        del known["crm"]
    assert [tenant.name for tenant in TenantsFile(path).read().tenants] == ["finance", "new"]


def test_a_change_that_is_not_valid_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(TEXT)
    with pytest.raises(ConfigurationError, match="stands twice"), changing_tenants(path) as known:
        known.update({name: each.model_copy(update={"certificates": ("CN=a",)}) for name, each in known.items()})
    assert path.read_text() == TEXT


def test_a_key_is_live_until_it_expires_or_is_revoked() -> None:
    now = datetime.now(UTC)
    key = KeyEntry.of(new_key()[1], now, now + timedelta(hours=1))
    assert (key.is_live(now), key.is_live(now + timedelta(hours=1))) == (True, False)
    assert not key.model_copy(update={"revoked_at": now}).is_live(now)
    assert "sha256" in dump_tenant(TenantPolicy(name="a", models=(), keys=(key,)))
