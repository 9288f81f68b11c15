"""Issuers: the words of the tenants file are taken, and what would let the wrong callers in is not."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.tenancy.issuers import TokenIssuer

LEAST = {"issuer": "https://id.example", "audience": "gapura", "jwks": "keys.json"}


def test_every_value_may_be_text() -> None:
    issuer = TokenIssuer.model_validate(
        LEAST | {"leeway_seconds": "10", "refresh_seconds": "60", "algorithms": "EdDSA"}
    )
    assert (issuer.leeway_seconds, issuer.refresh_seconds, issuer.algorithms) == (10, 60, ("EdDSA",))
    assert issuer.audience == ("gapura",)
    assert TokenIssuer.model_validate(issuer.model_dump(mode="json")) == issuer


def test_most_can_be_left_out() -> None:
    issuer = TokenIssuer.model_validate(LEAST)
    assert (issuer.algorithms, issuer.claim) == (("RS256", "ES256"), "sub")
    assert (issuer.leeway_seconds, issuer.refresh_seconds) == (30, 300)


@pytest.mark.parametrize(
    "location",
    [
        "/etc/keys.json",
        "https://id.example/jwks",
        "HTTPS://id.example:8443/jwks",
        "http://localhost:8080/jwks",
        "http://127.0.0.1/jwks",
        "http://[::1]/jwks",
    ],
)
def test_keys_come_from_a_file_or_a_url_that_is_safe(location: str) -> None:
    assert TokenIssuer.model_validate(LEAST | {"jwks": location}).jwks == location


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"algorithms": ["RS256", "none"]}, "'none' is not verified with a public key"),
        ({"algorithms": "HS256"}, "'HS256' is not verified with a public key"),
        ({"algorithms": "rs256"}, "choose from RS256"),
        ({"algorithms": []}, "at least 1"),
        ({"audience": []}, "at least 1"),
        ({"audience": ""}, "at least 1"),
        ({"issuer": ""}, "at least 1"),
        ({"claim": ""}, "at least 1"),
        ({"jwks": ""}, "at least 1"),
        ({"jwks": "http://id.example/jwks"}, "https://"),
        ({"jwks": "http://localhost.example/jwks"}, "https://"),
        ({"jwks": "http://127.0.0.1@id.example/jwks"}, "no user"),
        ({"jwks": "https://user:password@id.example/jwks"}, "no user"),
        ({"jwks": "https:///jwks"}, "needs a host"),
        ({"jwks": "file:///etc/keys.json"}, "needs a host"),
        ({"jwks": "ftp://id.example/keys.json"}, "https://"),
        ({"jwks": "https://[/jwks"}, "IPv6"),
        ({"leeway_seconds": "301"}, "less than or equal to 300"),
        ({"leeway_seconds": "-1"}, "greater than or equal to 0"),
        ({"leeway_seconds": "nan"}, "finite"),
        ({"refresh_seconds": "0.9"}, "greater than or equal to 1"),
        ({"refresh_seconds": "inf"}, "finite"),
        ({"secret": "x"}, "Extra inputs"),
    ],
)
def test_what_would_not_be_safe_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        TokenIssuer.model_validate(LEAST | fields)
