"""What Envoy is told: it takes every combination of settings, and what is wrong is named before it starts."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from gapura_envoy.binary import validate
from gapura_envoy.commands import edge as commands
from gapura_envoy.errors import EdgeError
from gapura_envoy.files import Files, compose, replace_workers, write
from gapura_envoy.methods import read_methods
from gapura_envoy.settings import EdgeSettings, read_settings

from tests.envoy.certificates import Authority

WORKER = "unix:/tmp/worker"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"buffer": False, "web": False, "access_log": None},
        {"origins": "https://erp.example, *", "access_log_percent": 1.5},
        {"listen": "[::1]:0", "threads": 3, "message_mib": 1024},
    ],
)
def test_envoy_takes_what_is_composed(settings: dict[str, Any], contracts: list[bytes], tmp_path: Path) -> None:
    chosen = EdgeSettings(home=tmp_path, **settings)
    validate(chosen, compose(chosen, [WORKER, "127.0.0.1:9999"], contracts))
    validate(chosen, compose(chosen, [], []))


def test_envoy_takes_certificates_and_a_wrong_one_is_named(contracts: list[bytes], tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    own, other = authority.sign("one"), authority.sign("two")
    settings: dict[str, Any] = {"home": tmp_path / "e", "certificate": own.certificate, "client_ca": authority.file}
    chosen = EdgeSettings(**settings, key=own.key)
    validate(chosen, compose(chosen, [WORKER], contracts))
    for key in (other.key, tmp_path / "none"):
        wrong = EdgeSettings(**settings, key=key)
        with pytest.raises(EdgeError, match=f"GAPURA_EDGE_KEY={key}"):
            validate(wrong, compose(wrong, [WORKER], contracts))


@pytest.mark.parametrize("address", ["", "9003", "unix:" + "x" * 200, "127.0.0.1:http"])
def test_what_is_no_address_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match="no address|too long"):
        compose(EdgeSettings(home=tmp_path), [address], [])


def test_what_envoy_does_not_take_is_told_in_its_words(tmp_path: Path) -> None:
    chosen = EdgeSettings(home=tmp_path, listen="nowhere:1")
    with pytest.raises(EdgeError, match="malformed IP address: nowhere"):
        validate(chosen, compose(chosen, [WORKER], []))


@pytest.mark.parametrize(
    ("name", "value"), [("MESSAGE_MIB", "0"), ("CERTIFICATE", "x"), ("CLIENT_CA", "x"), ("CLIENT_CERTIFICATE", "maybe")]
)
def test_a_setting_that_is_not_valid_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"GAPURA_EDGE_{name}", value)
    with pytest.raises(EdgeError, match=f"GAPURA_EDGE_{name}"):
        read_settings()


def test_files_are_private_and_touched_only_where_they_change(contracts: list[bytes], tmp_path: Path) -> None:
    chosen = EdgeSettings(home=tmp_path / "e")
    files = Files(write(compose(chosen, [WORKER], contracts)).parent)
    assert stat.S_IMODE(files.home.stat().st_mode) == 0o700
    assert stat.S_IMODE(files.listener.stat().st_mode) == 0o600
    before = {path: path.stat().st_ino for path in files.home.iterdir()}
    replace_workers(chosen, [WORKER, "unix:/tmp/other"])
    write(compose(chosen, [WORKER, "unix:/tmp/other"], contracts))
    assert {path for path in before if path.stat().st_ino != before[path]} == {files.workers}


def test_contracts_say_what_streams_what_may_be_asked_twice_and_what_has_a_path(contracts: list[bytes]) -> None:
    methods = read_methods(contracts)
    assert set(methods.services) == {
        "erpml.crm.v1.SentimentService",
        "erpml.finance.v1.CreditService",
        "erpml.finance.v1.FraudService",
        "erpml.hub.v1.FeatureStoreService",
        "erpml.logistics.v1.DemandService",
        "erpml.online_sales.v1.PricingService",
        "erpml.sales_mobile.v1.RecommendationService",
    }
    assert "/inference.GRPCInferenceService/ModelStreamInfer" in methods.streams
    assert "/inference.GRPCInferenceService/RepositoryModelLoad" in methods.commands
    assert not [path for path in (*methods.streams, *methods.commands) if "CreditService" in path]
    assert read_methods(contracts, ["nothing"]).services == ()
    with pytest.raises(EdgeError, match="not a descriptor set"):
        read_methods([b"\xff"])


def test_the_command_prints_what_envoy_would_read(tmp_path: Path) -> None:
    environment = {"GAPURA_EDGE_HOME": str(tmp_path), "GAPURA_CONTRACTS": str(tmp_path)}
    done = CliRunner(env=environment).invoke(commands, ["config", "--worker", WORKER], catch_exceptions=False)
    assert done.exit_code == 0
    assert json.loads(done.output)["admin"]["address"]["pipe"]["mode"] == 0o600
    assert "GAPURA_EDGE_LISTEN=" in CliRunner().invoke(commands, ["settings"]).output
