"""Behind the edge the tenant is who the certificate says; elsewhere nobody is believed."""

import subprocess
import sys
from typing import Any

import grpc
import pytest
from gapura_envoy.testing import running_edge

from tests.e2e.serving import add_tenant, scratch_environment
from tests.envoy.certificates import Authority, Pair
from tests.envoy.conftest import Backstage, applicant, score

SPIFFE, XFCC = "spiffe://erp/finance", "x-forwarded-client-cert"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs for the edge and its callers."""
    return Authority(tmp_path_factory.mktemp("identity"), "authority")


@pytest.fixture(scope="session")
def trusting(backstage: Backstage) -> Backstage:
    """Returns what makes workers that believe the edge."""
    command = [sys.executable, "-m", "gateway", "tenants", "add", "finance", "--models", "team3_*", "--no-key"]
    subprocess.run([*command, "--certificate", SPIFFE], env=backstage.environment, check=True)
    add_tenant(backstage.environment, "other", "team4_*", "--certificate", "other.erp.example")
    return Backstage(
        backstage.folder, scratch_environment(backstage.environment, BEHIND_EDGE="true"), backstage.api_key
    )


def open_channel(address: str, authority: Authority, pair: Pair) -> grpc.Channel:
    """Opens a channel that shows a certificate."""
    files = (authority.file, pair.key, pair.certificate)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(*(file.read_bytes() for file in files)))


def test_the_tenant_is_the_certificates_whatever_the_caller_says(
    trusting: Backstage, contracts: list[bytes], authority: Authority
) -> None:
    own, finance = authority.sign("localhost"), authority.sign("finance.erp.example", SPIFFE)
    other, unknown = authority.sign("other.erp.example"), authority.sign("unknown.erp.example")
    tls: dict[str, Any] = {"certificate": own.certificate, "key": own.key, "client_ca": authority.file}
    forged = ((XFCC, f"Hash=0;URI={SPIFFE}"),)
    with trusting.worker("trusting") as (worker, _), running_edge([worker], contracts, **tls) as edge:
        with open_channel(edge.address, authority, finance) as channel:
            assert score(channel, ()).credit_limit_minor
        with open_channel(edge.address, authority, other) as channel, pytest.raises(grpc.RpcError) as refused:
            score(channel, forged)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        with open_channel(edge.address, authority, unknown) as channel, pytest.raises(grpc.RpcError) as refused:
            score(channel, forged)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with open_channel(edge.address, authority, unknown) as channel:
            assert score(channel, (("x-api-key", trusting.api_key),)).credit_limit_minor


def test_a_worker_that_is_not_told_so_believes_nobody(backstage: Backstage, trusting: Backstage) -> None:
    assert trusting
    with backstage.worker("doubting") as (worker, _), grpc.insecure_channel(worker) as channel:
        call: Any = channel.unary_unary("/erpml.finance.v1.CreditService/ScoreCredit")
        with pytest.raises(grpc.RpcError) as refused:
            call(applicant().SerializeToString(), metadata=((XFCC, f"Hash=0;URI={SPIFFE}"),), timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_gateway_that_others_reach_does_not_believe_them(backstage: Backstage) -> None:
    environment = scratch_environment(backstage.environment, BEHIND_EDGE="true", LISTEN="127.0.0.1:0")
    done = subprocess.run([sys.executable, "-m", "gateway", "serve"], env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"GAPURA_BEHIND_EDGE" in done.stderr
