"""Tokens: a genuine one tells its subject; nothing else gets in, and no refusal repeats what was sent."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigurationError, Unauthenticated
from gateway.tenancy.issuers import ALGORITHMS
from gateway.tenancy.key_sets import KeySets
from gateway.tenancy.tokens import MOST_PROVEN, Proven, TokenVerifier
from gateway.watching import fingerprint
from tests.gateway.tenancy.issuing import (
    AUDIENCE,
    ENDS,
    ISSUER,
    NOW,
    SUBJECT,
    claims,
    confused,
    encode,
    entry,
    issuer_at,
    key_for,
    key_set,
    pem,
    sign,
    token,
    verifier_of,
)

LEEWAY = 30
GENUINE = token()
HEADER = {"alg": "ES256", "kid": "ES256"}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([ISSUER, AUDIENCE, ENDS]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.fixture
async def verifier(tmp_path: Path) -> TokenVerifier:
    """Takes tokens of an issuer that has an EC key and an RSA key."""
    (tmp_path / "keys.json").write_text(key_set(entry("ES256"), entry("RS256")))
    return await verifier_of(issuer_at(tmp_path / "keys.json"))


@contextmanager
def refusing(sent: str, reason: str = "TOKEN_INVALID", message: str | None = None) -> Iterator[None]:
    """Expects a refusal that has nothing of the token, in its text or behind it."""
    with pytest.raises(Unauthenticated, match=message) as refused:
        yield
    assert refused.value.reason == reason
    assert not refused.value.metadata
    assert all(part not in refused.value.message for part in sent.split(".") if len(part) > 4)
    assert refused.value.__cause__ is refused.value.__context__ is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_genuine_token_tells_its_subject(tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "keys.json").write_text(key_set(entry("RS256", kid="other"), entry(algorithm)))
    verifier = await verifier_of(issuer_at(tmp_path / "keys.json", algorithms=algorithm))
    assert verifier.verify(token(algorithm), NOW) == Proven(ISSUER, SUBJECT, ENDS + LEEWAY)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_bytes_of_any_length_are_no_signature(tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "keys.json").write_text(key_set(entry(algorithm)))
    verifier = await verifier_of(issuer_at(tmp_path / "keys.json", algorithms=algorithm))
    signed = token(algorithm).rpartition(".")[0]
    for size in (1, 32, 63, 64, 65, 96, 132, 255, 256, 257, 1000):
        for byte in (b"\x00", b"\xff"):
            with refusing("", message="signature"):
                verifier.verify(f"{signed}.{encode(byte * size)}", NOW)


async def test_a_claim_of_the_operators_choice_names_the_subject(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(key_set(entry("ES256")))
    verifier = await verifier_of(issuer_at(tmp_path / "keys.json", claim="azp", audience=["other", AUDIENCE]))
    assert verifier.verify(token(azp="crm", sub=None, aud=["x", AUDIENCE]), NOW).subject == "crm"
    with refusing(sent := token(), message="claim 'azp'"):
        verifier.verify(sent, NOW)


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        ({"iss": "https://id.example"}, "issuer is not one"),
        ({"iss": None}, "issuer is not one"),
        ({"iss": [ISSUER]}, "issuer is not one"),
        ({"iss": ISSUER.upper()}, "issuer is not one"),
        ({"aud": "other"}, "ask the issuer for a token for 'gapura'"),
        ({"aud": None}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": [AUDIENCE, 1]}, "audience"),
        ({"aud": [[AUDIENCE]]}, "audience"),
        ({"aud": {AUDIENCE: 1}}, "audience"),
        ({"exp": None}, "`exp`"),
        ({"exp": str(ENDS)}, "`exp`"),
        ({"exp": True}, "`exp`"),
        ({"exp": [ENDS]}, "`exp`"),
        ({"exp": float("nan")}, "`exp`"),
        ({"exp": float("inf")}, "`exp`"),
        ({"exp": 10**400}, "`exp`"),
        ({"nbf": NOW + LEEWAY + 1}, "not valid yet"),
        ({"nbf": "0"}, "not valid yet"),
        ({"nbf": float("nan")}, "not valid yet"),
        ({"sub": None}, "claim 'sub'"),
        ({"sub": 7}, "claim 'sub'"),
        ({"sub": [SUBJECT]}, "claim 'sub'"),
        ({"sub": ""}, "claim 'sub'"),
        ({"sub": f"{SUBJECT}\nx"}, "claim 'sub'"),
        ({"sub": "\ud800"}, "claim 'sub'"),
        ({"sub": "\u202e"}, "claim 'sub'"),
    ],
)
def test_claims_that_are_not_all_right_are_refused(
    verifier: TokenVerifier, others: dict[str, Any], problem: str
) -> None:
    verifier.verify(token(), NOW)
    with refusing(sent := token(**others), message=problem):
        verifier.verify(sent, NOW)


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (token(name="another"), "signature"),
        (token("RS256", name="another"), "signature"),
        (token(header={"kid": "unknown"}), "key is not one"),
        (token(header={"kid": None}), "`kid`"),
        (token(header={"kid": 7}), "`kid`"),
        (token("RS512", header={"kid": "RS256"}), "ask the issuer to use RS256 or ES256"),
        (token(header={"kid": "RS256"}), "key is not one"),
        (token(header={"alg": "RS256"}), "key is not one"),
        (token(header={"alg": "none"}), "signed in a way"),
        (token(header={"alg": "None"}), "signed in a way"),
        (token(header={"alg": None}), "signed in a way"),
        (token(header={"alg": ["ES256"]}), "signed in a way"),
        (token(header={"crit": ["exp"], "exp": 1}), "no signed JWT"),
        (confused("RS256", pem("RS256")), "signed in a way"),
        (confused("RS256", json.dumps(entry("RS256")).encode()), "signed in a way"),
        (confused("ES256", pem("ES256")), "signed in a way"),
        (jwt.encode(claims(), "", "none", {"kid": "ES256"}), "no signed JWT"),
        (GENUINE.rpartition(".")[0], "no signed JWT"),
        (GENUINE[:-2], "signature"),
        (GENUINE + "AAAA", "signature"),
        (GENUINE + ".AAAA", "no signed JWT"),
        (GENUINE[:-1] + chr(ord(GENUINE[-1]) + 1), "no signed JWT"),  # the same bytes, and bits left over
        (f"{encode(b'[]')}.{GENUINE.split('.')[1]}.AAAA", "no signed JWT"),
        (GENUINE + "=", "no signed JWT"),
        (GENUINE + "\n", "no signed JWT"),
        (f"Bearer {GENUINE}", "no signed JWT"),
        (f"{GENUINE.partition('.')[0]}.{token(sub='crm').split('.')[1]}.{GENUINE.split('.')[2]}", "signature"),
        (f"{'W1tbW1tb' * 1024}.e30.AAAA", "no signed JWT"),
        (f"{encode(b'[' * 9000)}.e30.AAAA", "no signed JWT"),
        (sign(HEADER, '"text"'), "no signed JWT"),
        (sign(HEADER, "9" * 5000), "no signed JWT"),
        (sign(HEADER, json.dumps(claims()).replace(str(ENDS), "1e400")), "`exp`"),
        ("", "no signed JWT"),
        ("..", "no signed JWT"),
        ("\udcff.\ud800.\U0001f512", "no signed JWT"),
        ("\uff41.e30.AAAA", "no signed JWT"),
    ],
)
def test_a_token_that_its_issuer_has_not_signed_is_refused(verifier: TokenVerifier, sent: str, problem: str) -> None:
    with refusing(sent, message=problem):
        verifier.verify(sent, NOW)


def test_a_token_of_more_than_16_kib_is_refused_unread(verifier: TokenVerifier) -> None:
    verifier.verify(token(pad="x" * 11_000), NOW)
    with refusing(sent := token(pad="x" * 13_000), message="16 KiB"):
        verifier.verify(sent, NOW)


def test_a_token_counts_so_much_earlier_and_longer_as_clocks_may_differ(verifier: TokenVerifier) -> None:
    early = token(nbf=NOW + LEEWAY)
    assert verifier.verify(early, NOW).expires == ENDS + LEEWAY
    verifier.verify(GENUINE, ENDS + LEEWAY - 0.001)
    for remembered in (early, GENUINE, token(nbf=0)):
        with refusing(remembered, "TOKEN_EXPIRED", "has ended"):
            verifier.verify(remembered, ENDS + LEEWAY)


def test_only_a_genuine_token_is_told_that_it_has_ended(verifier: TokenVerifier) -> None:
    with refusing(GENUINE, "TOKEN_EXPIRED"):
        verifier.verify(GENUINE, ENDS + 3600)
    for forged in (token(name="another"), token(name="another", exp=0), token(aud="other", exp=0)):
        with refusing(forged, "TOKEN_INVALID"):
            verifier.verify(forged, ENDS + 3600)


def test_a_token_is_verified_once_as_long_as_it_is_among_the_newest(verifier: TokenVerifier) -> None:
    proven = verifier.verify(GENUINE, NOW)
    for number in range(MOST_PROVEN - 1):
        verifier.verify(token(jti=str(number)), NOW)
    assert verifier.verify("".join(GENUINE), NOW) is proven
    verifier.verify(token(jti="one more"), NOW)
    again = verifier.verify(GENUINE, NOW)
    assert again == proven
    assert again is not proven


async def test_a_token_whose_key_was_taken_away_is_not_taken_any_more(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_set(entry("ES256"), entry("RS256")))
    key_sets, issuer = KeySets(fingerprint), issuer_at(path)
    await key_sets.refresh([issuer])
    verifier = TokenVerifier([issuer], key_sets)
    verifier.verify(GENUINE, NOW)
    path.write_text(key_set(entry("RS256")))
    await key_sets.refresh([])
    await key_sets.refresh([issuer])
    with refusing(GENUINE, message="key is not one"):
        verifier.verify(GENUINE, NOW)
    verifier.verify(token("RS256"), NOW)


def test_where_no_issuer_is_known_no_token_counts_and_pyjwt_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with refusing(GENUINE, message="issuer is not one"):
        TokenVerifier([], KeySets(fingerprint)).verify(GENUINE, NOW)


@pytest.mark.parametrize("missing", ["jwt", "cryptography"])
async def test_where_pyjwt_is_missing_issuers_say_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    issuers = [issuer_at(tmp_path / "keys.json")]
    with pytest.raises(ConfigurationError, match=r"pip install 'gapura\[jwt\]'"):
        await KeySets(fingerprint).refresh(issuers)
    with pytest.raises(ConfigurationError, match=r"pip install 'gapura\[jwt\]'"):
        TokenVerifier(issuers, KeySets(fingerprint))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text()
    | st.builds(".".join, st.lists(st.text("AZaz09-_="), min_size=2, max_size=4))
    | st.builds(lambda header, payload: sign(header, json.dumps(payload)), st.just(HEADER), JSON_VALUES)
    | st.builds(
        lambda header, others: token(header=header, **others),
        st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "typ", "x"]), JSON_VALUES),
        st.dictionaries(st.sampled_from(["iss", "aud", "exp", "nbf", "sub", "iat"]), JSON_VALUES),
    )
)
def test_whatever_is_sent_is_taken_or_refused(verifier: TokenVerifier, sent: str) -> None:
    with suppress(Unauthenticated):
        assert verifier.verify(sent, NOW).expires > NOW


def decode(sent: str) -> dict[str, Any]:
    """Reads a token as PyJWT does, at whatever time."""
    return jwt.decode(sent, key_for("ES256").public_key(), ["ES256"], {"verify_exp": False}, audience=AUDIENCE)


def test_pyjwt_reads_the_same_in_a_genuine_token(verifier: TokenVerifier) -> None:
    assert decode(GENUINE)["sub"] == verifier.verify(GENUINE, NOW).subject


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.integers(0, len(GENUINE) - 1),
    letter=st.sampled_from("AZaz09-_=. \n\u00e9") | st.characters(),
    instead=st.booleans(),
)
@example(place=len(GENUINE) - 1, letter="", instead=True)
def test_a_genuine_token_with_another_letter_is_refused(
    verifier: TokenVerifier,
    place: int,
    letter: str,
    instead: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    changed = GENUINE[:place] + letter + GENUINE[place + instead :]
    if changed == GENUINE:
        return
    with refusing(""):
        verifier.verify(changed, NOW)
    with pytest.raises((jwt.PyJWTError, ValueError)):
        decode(changed)
