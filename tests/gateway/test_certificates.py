"""Names of certificates, as the edge writes them: nobody gets a name that is not a field of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.tenancy.certificates import names_of
from gateway.tenancy.policies import TenantPolicy, TenantsFile, read_tenants

HASH = "Hash=5f9c"


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


def test_a_certificate_is_of_one_tenant() -> None:
    with pytest.raises(ValidationError, match="'a.example' stands twice"):
        TenantsFile(
            tenants=tuple(TenantPolicy(name=name, models=(), certificates=("a.example",)) for name in ("a", "b"))
        )


def test_a_tenant_may_be_known_by_certificates_alone(tmp_path: Path) -> None:
    environment = os.environ | {"GAPURA_TENANTS": str(tmp_path / "tenants.yaml")}
    command = [sys.executable, "-m", "gateway", "tenants", "add", "finance", "--models", "*", "--no-key"]
    for name in ("spiffe://erp/finance", "CN=finance of the company"):
        done = subprocess.run([*command, "--certificate", name], env=environment, check=True, capture_output=True)
        assert not done.stdout
    (tenant,) = read_tenants(tmp_path / "tenants.yaml").tenants
    assert (tenant.keys, tenant.certificates) == ((), ("spiffe://erp/finance", "CN=finance of the company"))
