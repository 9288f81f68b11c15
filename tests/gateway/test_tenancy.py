"""Tenants: keys are kept hashed, admit their tenant alone, and a broken file names its fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.calls import Call
from gateway.errors import ConfigurationError, PermissionDenied, Unauthenticated
from gateway.tenancy.changing import write_tenants
from gateway.tenancy.directory import Directory, open_directory
from gateway.tenancy.file import TenantsFile
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants


def tenant(name: str, *models: str) -> tuple[str, TenantPolicy]:
    """Returns a key and the policy of the tenant that holds it."""
    key, hashed = new_key()
    return key, TenantPolicy(name=name, models=models, keys=(KeyEntry.of(hashed),))


def admit(directory: Directory, key: str | None) -> str:
    """Returns the name of the tenant of a key."""
    return directory.admit(Call(b"", key, None)).name


def read(path: Path) -> Tenants:
    """Reads a tenants file."""
    return TenantsFile(path).read()


def directory_of(*policies: TenantPolicy, certified: bool = False) -> Directory:
    """Returns a directory of these tenants."""
    return open_directory(Tenants(tenants=policies), certified=certified)


def test_a_key_admits_its_own_tenant() -> None:
    (key3, team3), (key4, team4) = tenant("team3", "team3_*"), tenant("team4", "team4_*")
    directory = directory_of(team3, team4)
    assert (admit(directory, key3), admit(directory, key4)) == ("team3", "team4")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key + "x",
        lambda key: key.swapcase(),
        lambda key: key.split("_", 2)[2],
        lambda _: "gapura__",
        lambda _: "\udcff",
    ],
)
def test_a_key_that_is_not_exactly_right_admits_nobody(spoil: object) -> None:
    key, policy = tenant("team3", "*")
    with pytest.raises(Unauthenticated) as refused:
        admit(directory_of(policy), spoil(key))  # type: ignore[operator] # a function in the list above
    assert refused.value.reason == "API_KEY_INVALID"
    assert key not in refused.value.message


@pytest.mark.parametrize("key", [None, ""])
def test_a_call_without_a_key_is_told_how_to_send_one(key: str | None) -> None:
    with pytest.raises(Unauthenticated, match="x-api-key") as refused:
        admit(directory_of(), key)
    assert refused.value.reason == "API_KEY_MISSING"


@pytest.mark.parametrize("model", ["team4_pricing", "xteam3_credit", "team3", "TEAM3_credit", "team3_a\nteam4_b\n"])
def test_a_tenant_may_call_only_the_models_that_its_policy_names(model: str) -> None:
    key, policy = tenant("team3", "team3_[a-z]*_scoring", "team3_fraud")
    directory = directory_of(policy)
    known = directory.admit(Call(b"", key, None))
    directory.authorise(known, "team3_credit_scoring")
    directory.authorise(known, "team3_fraud")
    with pytest.raises(PermissionDenied):
        directory.authorise(known, model)


@pytest.mark.parametrize("operator", [True, False])
def test_only_a_tenant_that_is_named_an_operator_is_one(tmp_path: Path, operator: bool) -> None:  # noqa: FBT001 - a parameter of the test
    key, hashed = new_key()
    policy = TenantPolicy(name="team3", models=("*",), operator=operator, keys=(KeyEntry.of(hashed),))
    write_tenants(tmp_path / "tenants.yaml", Tenants(tenants=(policy,)))
    directory = open_directory(read(tmp_path / "tenants.yaml"))
    assert directory.admit(Call(b"", key, None)).operator is operator
    assert tenant("team4")[1].operator is False


def test_a_tenant_without_models_may_call_none() -> None:
    key, policy = tenant("team3")
    directory = directory_of(policy)
    with pytest.raises(PermissionDenied):
        directory.authorise(directory.admit(Call(b"", key, None)), "")


def test_the_file_holds_no_key_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    key, policy = tenant("team3", "team3_*")
    write_tenants(tmp_path / "tenants.yaml", Tenants(tenants=(policy,)))
    content = (tmp_path / "tenants.yaml").read_text()
    assert key.split("_", 2)[2] not in content
    assert (tmp_path / "tenants.yaml").stat().st_mode & 0o777 == 0o600
    assert read(tmp_path / "tenants.yaml").tenants == (policy,)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("tenants: [{name: team3}]", r"tenants\.0\.models: Field required"),
        ("tenants: [{name: Team 3, models: []}]", r"tenants\.0\.name"),
        ("tenants: [{name: a, models: []}, {name: a, models: []}]", "'a' stands twice"),
        ("tenants: [{name: a, models: [], key: x}]", r"tenants\.0\.key: Extra inputs"),
        ("tenants: [", "cannot read"),
        ("- 1", "the file"),
        ("\xff\x00", "cannot read"),
        ("[" * 2000, "cannot read"),
        ("2024-13-45", "the file"),
    ],
)
def test_a_file_that_is_not_valid_names_the_place(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=problem):
        read(path)


def test_tenants_that_are_added_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    environment = {**os.environ, "GAPURA_TENANTS": str(tmp_path / "tenants.yaml")}
    command = [sys.executable, "-m", "gateway", "tenants", "add", "--models", "*"]
    adding = [subprocess.Popen([*command, f"t{number}"], env=environment, stdout=-1, text=True) for number in range(6)]
    keys = [process.communicate()[0].strip() for process in adding]
    directory = open_directory(read(tmp_path / "tenants.yaml"))
    assert [admit(directory, key) for key in keys] == [f"t{number}" for number in range(6)]


@pytest.mark.parametrize("path", ["/proc/nobody/key", "/proc/key"])
def test_a_key_that_cannot_be_handed_over_is_not_kept(tmp_path: Path, path: str) -> None:
    environment = {**os.environ, "GAPURA_TENANTS": str(tmp_path / "tenants.yaml")}
    command = [sys.executable, "-m", "gateway", "tenants", "add", "team3", "--models", "*", "--key-file", path]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: cannot write /proc/")
    assert not (tmp_path / "tenants.yaml").exists()


def test_a_key_file_that_exists_becomes_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("old")
    (tmp_path / "key").chmod(0o644)
    environment = {**os.environ, "GAPURA_TENANTS": str(tmp_path / "tenants.yaml")}
    command = [sys.executable, "-m", "gateway", "tenants", "add", "team3", "--models", "*"]
    subprocess.run([*command, "--key-file", str(tmp_path / "key")], env=environment, capture_output=True, check=True)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert admit(open_directory(read(tmp_path / "tenants.yaml")), (tmp_path / "key").read_text().strip())


def test_a_certificate_counts_only_behind_the_edge_and_goes_before_a_key() -> None:
    key, hashed = new_key()
    finance = TenantPolicy(name="finance", models=("team3_*",), certificates=("CN=finance",))
    crm = TenantPolicy(name="crm", models=("team5_*",), keys=(KeyEntry.of(hashed),))
    behind = directory_of(finance, crm, certified=True)
    shown = 'Hash=00;Subject="CN=finance,O=erp"'
    assert behind.admit(Call(b"", None, None, certificate=shown)).name == "finance"
    with pytest.raises(Unauthenticated, match="not that of the certificate's tenant"):
        behind.admit(Call(b"", key, None, certificate=shown))
    assert behind.admit(Call(b"", key, None, certificate='Hash=00;Subject="CN=unknown"')).name == "crm"
    with pytest.raises(Unauthenticated, match="no API key"):
        directory_of(finance, crm).admit(Call(b"", None, None, certificate=shown))
