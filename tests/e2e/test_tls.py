"""`gapura serve` with TLS: callers are known by certificates or keys; settings that do not go together are told."""

import subprocess
from pathlib import Path

import grpc
import pytest
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub

from tests.conftest import Published
from tests.e2e.applicants import GOOD
from tests.e2e.serving import COMMAND, add_tenant, scratch_environment, serve
from tests.envoy.certificates import Authority, Pair

SPIFFE = "spiffe://erp/finance"


def open_channel(address: str, authority: Authority, pair: Pair) -> grpc.Channel:
    """Opens a channel that shows a certificate."""
    files = (authority.file, pair.key, pair.certificate)
    credentials = grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))
    return grpc.secure_channel(address.replace("127.0.0.1", "localhost"), credentials)


def test_callers_are_known_by_their_certificates_or_their_keys(published: Published, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    own, finance, unknown = authority.sign("localhost"), authority.sign("finance", SPIFFE), authority.sign("unknown")
    environment = scratch_environment(
        published.environment,
        TENANTS=str(tmp_path / "tenants.yaml"),
        USAGE=str(tmp_path / "usage"),
        TLS_CERTIFICATE=str(own.certificate),
        TLS_KEY=str(own.key),
        TLS_CLIENT_CA=str(authority.file),
    )
    assert not add_tenant(environment, "finance", "team3_*", "--certificate", SPIFFE, "--no-key")
    key = add_tenant(environment, "sales", "team3_*")
    forged = (("x-forwarded-client-cert", f"Hash=0;URI={SPIFFE}"),)
    with serve(environment) as (_, address):
        with open_channel(address, authority, finance) as channel:
            assert CreditServiceStub(channel).ScoreCredit(GOOD, timeout=20).credit_limit_minor
        with open_channel(address, authority, unknown) as channel:
            stub = CreditServiceStub(channel)
            assert stub.ScoreCredit(GOOD, metadata=(("x-api-key", key),), timeout=20).credit_limit_minor
            with pytest.raises(grpc.RpcError) as refused:
                stub.ScoreCredit(GOOD, metadata=forged, timeout=20)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refused:
            CreditServiceStub(channel).ScoreCredit(GOOD, metadata=(("x-api-key", key),), timeout=20)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"TLS_CERTIFICATE": "nothing.pem"}, "GAPURA_TLS_CERTIFICATE needs GAPURA_TLS_KEY"),
        ({"TLS_CLIENT_CA": "ca.pem"}, "need GAPURA_TLS_CERTIFICATE"),
        ({"TLS_CERTIFICATE": "nothing.pem", "TLS_KEY": "nothing.key"}, "GAPURA_TLS_CERTIFICATE=nothing.pem"),
    ],
)
def test_settings_that_cannot_be_used_are_told(published: Published, changes: dict[str, str], told: str) -> None:
    environment = scratch_environment(published.environment, **changes)
    command = [*COMMAND, "serve", "--listen", "127.0.0.1:0"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert told in ended.stderr
