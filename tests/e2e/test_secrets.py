"""Secrets stay secret: whatever a gateway writes, tells or shows while it is used and misused, holds none of them."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import gapura_client
import grpc
import jwt
import pytest
import tritonclient.grpc as triton
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from erpml.finance.v1.credit_service_pb2_grpc import CreditServiceStub
from tritonclient.utils import InferenceServerException

from gateway.settings import read_settings
from tests.conftest import Published
from tests.e2e.applicants import GOOD
from tests.e2e.serving import COMMAND, add_tenant, free_port, scratch_environment

ISSUER = "https://login.erp.example"
PASSWORD = "hunter2-of-redis"  # noqa: S105 - it is to be found nowhere
REFUSED = (grpc.RpcError, InferenceServerException)


def run(environment: dict[str, str], *arguments: str) -> str:
    """Runs a command; returns all that it wrote."""
    ended = subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


def use(address: str, credentials: Iterable[dict[str, str]]) -> list[str]:
    """Makes good and bad calls with every credential; returns what was told."""
    return [text for metadata in credentials for text in use_as(address, metadata)]


def use_as(address: str, metadata: dict[str, str]) -> Iterator[str]:
    """Makes calls with some credentials; yields what was told."""
    pairs: Any = tuple(metadata.items())
    with grpc.insecure_channel(address) as channel, triton.InferenceServerClient(address) as client:
        malformed: Any = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        calls: tuple[Callable[[], object], ...] = (
            lambda: CreditServiceStub(channel).ScoreCredit(GOOD, metadata=pairs, timeout=10),
            lambda: client.get_model_repository_index(headers=metadata),
            lambda: client.get_model_metadata("team4_nothing", headers=metadata),
            lambda: malformed(b"\xff", metadata=pairs, timeout=10),
        )
        for call in calls:
            try:
                yield str(call())
            except REFUSED as error:
                yield f"{error} {error.trailing_metadata() if isinstance(error, grpc.RpcError) else ''}"


def test_no_secret_is_in_anything_that_is_written_told_or_shown(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key())), "kid": "one"}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public]}))
    issuer = {"issuer": ISSUER, "audience": "gapura", "jwks": str(tmp_path / "jwks.json")}
    (tmp_path / "tenants.yaml").write_text(yaml.safe_dump({"issuers": [issuer]}))
    metrics = f"127.0.0.1:{free_port()}"
    environment = scratch_environment(
        published.environment,
        TENANTS=str(tmp_path / "tenants.yaml"),
        USAGE=str(tmp_path / "usage"),
        METRICS_LISTEN=metrics,
        REDIS_URL=f"redis://gapura:{PASSWORD}@127.0.0.1:1/0",
        WATCH_SECONDS="0.05",
    )
    written = [run(environment, "tenants", "add", "sales", "--models", "*", "--key-file", str(tmp_path / "key"))]
    key = (tmp_path / "key").read_text().strip()
    other = add_tenant(environment, "finance", "team3_*", "--token", f"{ISSUER} erp", "--calls-per-second", "1")
    claims = {"iss": ISSUER, "aud": "gapura", "sub": "erp", "exp": time.time() + 600}
    token, late = (
        jwt.encode(claims | {"exp": time.time() + left}, private, "RS256", {"kid": "one"}) for left in (600, -600)
    )
    secrets = [key.split("_", 2)[2], other.split("_", 2)[2], token.split(".")[2], late.split(".")[2], PASSWORD]
    shown = [{"x-api-key": given} for given in (key, other, f"{key}x", f"{other[:-1]}")]
    shown += [{"authorization": f"Bearer {given}"} for given in (token, late, f"{token[:-4]}AAAA", key, f"{other}x")]
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen([*COMMAND, "serve", "--listen", "127.0.0.1:0"], env=environment, stderr=log, stdout=log)
    try:
        address = listening(tmp_path / "log")
        written += use(address, shown)
        written.append(run(environment, "tenants", "rotate", "sales", "--key-file", str(tmp_path / "new")))
        good = (tmp_path / "tenants.yaml").read_text()
        (tmp_path / "tenants.yaml").write_text(f"{good}nonsense: 1\n")
        time.sleep(0.5)
        written.append(run(environment, "tenants", "check"))
        (tmp_path / "tenants.yaml").write_text(good)
        with urllib.request.urlopen(f"http://{metrics}/metrics") as answer:
            written.append(answer.read().decode())
        written += [(Path("/proc") / str(process.pid) / "cmdline").read_text()]
    finally:
        process.terminate()
        assert process.wait(30) == 0
        log.close()
    for arguments in (["tenants", "list"], ["tenants", "list", "--format", "json"], ["tenants", "check"], ["usage"]):
        written.append(run(environment, *arguments))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    written += [repr(read_settings()), str(read_settings()), read_settings().model_dump_json()]
    written.append((tmp_path / "log").read_text())
    for secret in (*secrets, (tmp_path / "new").read_text().strip().split("_", 2)[2]):
        assert not [text for text in written if secret in text]
    everything = "\n".join(written)
    assert all(
        sign in everything for sign in ("API_KEY_INVALID", "TOKEN_EXPIRED", "RATE_LIMITED", "tenants stay as they were")
    )
    assert "finance" in everything


def listening(log: Path) -> str:
    """Waits until a gateway listens; returns where."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for line in log.read_text().splitlines():
            if '"listening"' in line:
                return str(json.loads(line)["address"])
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_gapura_client_shows_no_key_of_a_channel() -> None:
    with gapura_client.connect("127.0.0.1:1", api_key="gapura_00000000_secret") as channel:
        assert "secret" not in repr(channel)
