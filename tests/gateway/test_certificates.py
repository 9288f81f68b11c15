"""Names of certificates, as the edge writes them: nobody gets a name that is not a field of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tenancy.certificates import header_of, names_of
from gateway.tenancy.file import TenantsFile
from gateway.tenancy.policies import TenantPolicy, inconsistency

HASH = "Hash=5f9c"
NAMES = st.one_of(st.text(min_size=1), st.text("\"',;\\\\=+ CNURIDS\n\0", min_size=1))


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (f'{HASH};Subject="CN=finance,O=ERP";URI=spiffe://erp/finance;DNS=a.example;DNS=b.example',
         ("spiffe://erp/finance", "a.example", "b.example", "CN=finance")),
        (f'{HASH};Subject="O=ERP\\\\,CN=forged,CN=real"', ("CN=real",)),
        (f'{HASH};Subject="CN=one,CN=two"', ()),
        (f'{HASH};Subject="O=\\";URI=spiffe://erp/forged";URI=spiffe://erp/real', ("spiffe://erp/real",)),
        (f"{HASH};URI=", ()),
        (HASH, ()),
        ("", ()),
    ],
)  # fmt: skip
def test_names_are_those_of_their_own_fields(header: str, names: tuple[str, ...]) -> None:
    assert names_of(header) == names


@pytest.mark.parametrize("header", [f"{HASH};URI=a,{HASH};URI=b", f'{HASH};Subject="CN=x', f'{HASH}"'])
def test_what_the_edge_would_not_write_names_nobody(header: str) -> None:
    assert names_of(header) == ()


@given(uris=st.lists(NAMES), dns=st.lists(NAMES), common_name=NAMES)
def test_names_that_are_written_down_are_read_as_they_are(uris: list[str], dns: list[str], common_name: str) -> None:
    assert names_of(header_of(uris, dns, common_name)) == (*uris, *dns, f"CN={common_name}")
    assert names_of(header_of(uris, dns, "")) == (*uris, *dns)


def test_names_are_written_as_the_edge_writes_them() -> None:
    written = header_of(["spiffe://erp/finance", ""], ["a.example"], 'x",CN=y')
    assert written == r'''Subject="CN=x\"\\,CN=y";URI="spiffe://erp/finance";DNS="a.example"'''
    assert header_of((), (), "") == ""


def test_a_certificate_is_of_one_tenant() -> None:
    both = [TenantPolicy(name=name, models=(), certificates=("a.example",)) for name in ("a", "b")]
    assert inconsistency((), both) == "'a.example' stands twice"


def test_a_tenant_may_be_known_by_certificates_alone(tmp_path: Path) -> None:
    environment = os.environ | {"GAPURA_TENANTS": str(tmp_path / "tenants.yaml")}
    command = [sys.executable, "-m", "gateway", "tenants", "add", "finance", "--models", "*", "--no-key"]
    for name in ("spiffe://erp/finance", "CN=finance of the company"):
        done = subprocess.run([*command, "--certificate", name], env=environment, check=True, capture_output=True)
        assert not done.stdout
    (tenant,) = TenantsFile(tmp_path / "tenants.yaml").read().tenants
    assert (tenant.keys, tenant.certificates) == ((), ("spiffe://erp/finance", "CN=finance of the company"))
