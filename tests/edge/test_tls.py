"""TLS of the listener on grpcio: who gets in, and whose certificate an endpoint is told of."""

import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.edge.grpcio import GrpcioListener
from gateway.edge.tls import Tls, certificate_of, describe
from gateway.errors import ConfigurationError
from gateway.telemetry.off import NoTelemetry
from gateway.tenancy.certificates import names_of
from tests.edge.conftest import ECHO, STREAM, Edge, listening

Dns, Uri = x509.DNSName, x509.UniformResourceIdentifier
SPIFFE, XFCC = "spiffe://erp/finance", "x-forwarded-client-cert"
FORGED = ((XFCC, 'Hash=00;URI="spiffe://erp/forged"'),)
FINANCE = (Uri(SPIFFE), Dns("finance.erp.example"))
FRESH = [("grpc.use_local_subchannel_pool", 1)]  # no connection of an earlier channel


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Replaces the files of a listener with it."""
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        replace(certificate, self.certificate)
        replace(key, self.key)
        return certificate, key


class Authority:
    """Signs certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self._key, [], ["authority"], 1, authority=True)

    def sign(self, *names: x509.GeneralName, subject: Iterable[str] = (), days: int = 1, key: Any = None) -> Pair:
        """Makes a certificate of alternative and common names that ends in so many days."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        form, secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        written = key.private_bytes(serialization.Encoding.PEM, form, secret)
        return Pair(self._sign(key, names, subject, days), written)

    def _sign(
        self, key: Any, names: Iterable[x509.GeneralName], subject: Iterable[str], days: int, *, authority: bool = False
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in subject]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=9))
            .not_valid_after(now + timedelta(days=days))
        )
        if authority:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def replace(path: Path, content: bytes | None) -> None:
    """Puts another file in the place of a file, or none."""
    if content is None:
        path.unlink()
        return
    later = path.with_suffix(".later")
    later.write_bytes(content)
    later.replace(path)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Signs for the listener and its callers."""
    return Authority()


@pytest.fixture
def plain(authority: Authority, tmp_path: Path) -> Tls:
    """Files of a listener that asks for no certificate."""
    return Tls(*authority.sign(Dns("localhost")).write(tmp_path))


@pytest.fixture
def mutual(authority: Authority, plain: Tls, tmp_path: Path) -> Tls:
    """Files of a listener that asks for certificates."""
    (tmp_path / "authorities.pem").write_bytes(authority.certificate)
    return Tls(plain.certificate, plain.key, tmp_path / "authorities.pem", require_client=True)


@asynccontextmanager
async def connecting(
    edge: Edge, trusted: Authority, shown: Pair | None = None, options: Iterable[tuple[str, Any]] = ()
) -> AsyncIterator[grpc.aio.Channel]:
    """Opens a new connection that shows a certificate."""
    own = (None, None) if shown is None else (shown.key, shown.certificate)
    credentials = grpc.ssl_channel_credentials(trusted.certificate, *own)
    options = [*FRESH, ("grpc.ssl_target_name_override", "localhost"), *options]
    async with grpc.aio.secure_channel(edge.address, credentials, options) as channel:
        yield channel


async def ask(edge: Edge, trusted: Authority, shown: Pair | None = None, **options: Any) -> bytes:
    """Makes one call over a new connection."""
    async with connecting(edge, trusted, shown) as channel:
        echo: Any = channel.unary_unary(ECHO)
        return bytes(await echo(b"x", timeout=5, **options))


async def assert_turned_away(edge: Edge, trusted: Authority, shown: Pair | None = None) -> None:
    """Makes sure that no call comes through."""
    before = len(edge.calls)
    refused = await edge.refusal(ask(edge, trusted, shown))
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert len(edge.calls) == before


async def test_a_caller_over_tls_is_answered_and_one_without_is_not(plain: Tls, authority: Authority) -> None:
    async with listening("grpcio", tls=plain) as edge:
        assert await ask(edge, authority, metadata=(("x-api-key", "k"),)) == b"x"
        (call,) = edge.calls
        assert (call.api_key, call.certificate) == ("k", None)
        refused = await edge.refusal(edge.unary(ECHO, b"x", timeout=5))
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert len(edge.calls) == 1


async def test_the_names_of_a_callers_certificate_reach_the_endpoint(mutual: Tls, authority: Authority) -> None:
    finance = authority.sign(*FINANCE, subject=("finance",))
    async with listening("grpcio", tls=mutual) as edge, connecting(edge, authority, finance) as channel:
        echo: Any = channel.unary_unary(ECHO)
        stream: Any = channel.stream_stream(STREAM)
        for metadata in ((), FORGED, (*FORGED, *FORGED)):
            assert await echo(b"x", metadata=metadata, timeout=5) == b"x"
            assert [answer async for answer in stream(iter([b"y"]), metadata=metadata, timeout=5)] == [b"y"]
        assert len(edge.calls) == 6
        for call in edge.calls:
            assert call.certificate is not None
            assert names_of(call.certificate) == (SPIFFE, "finance.erp.example", "CN=finance")


async def test_what_a_caller_says_of_a_certificate_is_dropped_where_it_has_none(
    mutual: Tls, authority: Authority, tmp_path: Path
) -> None:
    nameless, own = authority.sign(), tmp_path / "own"
    async with listening("grpcio", tls=mutual, own_socket=own) as edge:
        await ask(edge, authority, nameless, metadata=FORGED)
        async with grpc.aio.insecure_channel(f"unix:{own}") as channel:
            echo: Any = channel.unary_unary(ECHO)
            assert await echo(b"x", metadata=FORGED, timeout=5) == b"x"
        assert [call.certificate for call in edge.calls] == [None, None]


async def test_where_no_certificate_is_asked_for_the_metadata_stay_as_they_are(
    plain: Tls, authority: Authority
) -> None:
    async with listening("grpcio", tls=plain) as edge:
        await ask(edge, authority, authority.sign(*FINANCE), metadata=FORGED)
        assert [call.certificate for call in edge.calls] == [FORGED[0][1]]


async def test_callers_without_a_certificate_of_the_authority_are_turned_away(
    mutual: Tls, authority: Authority
) -> None:
    async with listening("grpcio", tls=mutual) as edge:
        await assert_turned_away(edge, authority)
        await assert_turned_away(edge, authority, Authority().sign(*FINANCE))
        await assert_turned_away(edge, authority, authority.sign(*FINANCE, days=-1))
        assert await ask(edge, authority, authority.sign(*FINANCE)) == b"x"


async def test_a_renewed_certificate_is_shown_to_new_connections(
    plain: Tls, authority: Authority, tmp_path: Path
) -> None:
    later = Authority()
    async with listening("grpcio", tls=plain) as edge, connecting(edge, authority) as open_before:
        echo: Any = open_before.unary_unary(ECHO)
        await echo(b"x", timeout=5)
        await assert_turned_away(edge, later)
        later.sign(Dns("localhost")).write(tmp_path)
        assert await ask(edge, later) == b"x"
        await assert_turned_away(edge, authority)
        assert await echo(b"x", timeout=5) == b"x"


async def test_renewed_authorities_decide_from_then_on(mutual: Tls, authority: Authority) -> None:
    later, files = Authority(), mutual.client_ca
    assert files is not None
    async with listening("grpcio", tls=mutual) as edge:
        await assert_turned_away(edge, authority, later.sign(*FINANCE))
        replace(files, later.certificate)
        assert await ask(edge, authority, later.sign(*FINANCE)) == b"x"
        await assert_turned_away(edge, authority, authority.sign(*FINANCE))


async def test_a_broken_new_certificate_leaves_the_old_one_and_is_told_once(
    plain: Tls, authority: Authority, tmp_path: Path
) -> None:
    async with listening("grpcio", tls=plain) as edge:
        with capture_logs() as logs:
            replace(plain.key, authority.sign().key)
            for _ in range(3):
                assert await ask(edge, authority) == b"x"
            plain.certificate.unlink()
            assert await ask(edge, authority) == b"x"
        told = [line["reason"] for line in logs if line["event"] == "certificate stays as it was"]
        assert len(told) == 2
        assert f"GAPURA_TLS_KEY={plain.key} is not the key" in told[0]
        assert f"GAPURA_TLS_CERTIFICATE={plain.certificate}: No such file" in told[1]
        later = Authority()
        later.sign(Dns("localhost")).write(tmp_path)
        assert await ask(edge, later) == b"x"


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("certificate", None, "GAPURA_TLS_CERTIFICATE={}: No such file"),
        ("certificate", b"no certificate", "GAPURA_TLS_CERTIFICATE={} holds no certificate in PEM"),
        ("key", None, "GAPURA_TLS_KEY={}: No such file"),
        ("key", b"no key", "GAPURA_TLS_KEY={} is not the key of GAPURA_TLS_CERTIFICATE="),
        ("client_ca", None, "GAPURA_TLS_CLIENT_CA={}: No such file"),
        ("client_ca", b"", "GAPURA_TLS_CLIENT_CA={} holds no certificate in PEM"),
    ],
)
async def test_a_file_that_cannot_be_used_is_named(mutual: Tls, file: str, content: bytes | None, told: str) -> None:
    path: Path = getattr(mutual, file)
    replace(path, content)
    with pytest.raises(ConfigurationError) as raised:
        await start(mutual)
    assert told.format(path) in str(raised.value)


async def test_a_folder_in_place_of_a_file_is_named(plain: Tls, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"GAPURA_TLS_CERTIFICATE={tmp_path}: Is a directory"):
        await start(Tls(tmp_path, plain.key))


async def test_another_certificates_key_is_named(plain: Tls, authority: Authority) -> None:
    plain.key.write_bytes(authority.sign().key)
    with pytest.raises(ConfigurationError, match=f"GAPURA_TLS_KEY={plain.key} is not the key of GAPURA_TLS_CERT"):
        await start(plain)


async def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(plain: Tls) -> None:
    key: Any = serialization.load_pem_private_key(plain.key.read_bytes(), None)
    form, secret = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    plain.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))
    with pytest.raises(ConfigurationError, match="it has a passphrase"):
        await start(plain)


async def test_a_kind_of_key_that_only_grpcio_does_not_know_is_told(
    plain: Tls, authority: Authority, tmp_path: Path
) -> None:
    authority.sign(Dns("localhost"), key=ed448.Ed448PrivateKey.generate()).write(tmp_path)
    with pytest.raises(ConfigurationError, match="or grpcio knows no key such as GAPURA_TLS_KEY="):
        await start(plain)


@pytest.mark.parametrize("asked", [True, False])
async def test_what_grpcio_would_not_ask_for_is_refused(mutual: Tls, *, asked: bool) -> None:
    halved = Tls(mutual.certificate, mutual.key, None if asked else mutual.client_ca, require_client=asked)
    with pytest.raises(ConfigurationError, match="GAPURA_TLS_CLIENT_CA: grpcio asks callers for a certificate only"):
        await start(halved)


@pytest.mark.parametrize(
    ("names", "subject", "read"),
    [
        ((Dns(SPIFFE), Dns("CN=finance"), Dns("a.example")), (), ("a.example",)),
        ((Uri("finance.erp.example"), Uri("CN=finance"), Uri("CN=finance:x"), Uri("a:b")), (), ("a:b",)),
        ((Uri(f"{SPIFFE}\0/x"), Dns("finance.erp.example\0.x"), Dns("")), (), ()),
        ((x509.RFC822Name("finance.erp.example"), x509.RegisteredID(NameOID.COMMON_NAME)), ("a",), ("CN=a",)),
        ((), ("x,CN=finance",), ("CN=x,CN=finance",)),
        ((), ('"x";URI=spiffe://erp/finance\\',), ('CN="x";URI=spiffe://erp/finance\\',)),
        ((), ("finance\0.x",), ("CN=finance\0.x",)),
        ((), ("größe",), ("CN=größe",)),
        ((), ("one", "two"), ()),
        ((), (), ()),
    ],
)
async def test_nobody_gets_a_name_that_its_certificate_has_not(
    mutual: Tls, authority: Authority, names: tuple[x509.GeneralName, ...], subject: tuple[str, ...], read: Any
) -> None:
    async with listening("grpcio", tls=mutual) as edge:
        await ask(edge, authority, authority.sign(*names, subject=subject))
        (call,) = edge.calls
        assert names_of(call.certificate or "") == read


SIGNER = Authority()
NAMES = st.one_of(st.text(st.characters(max_codepoint=127)), st.sampled_from([SPIFFE, "a.example", "CN=finance"]))


@settings(deadline=None)  # it makes a certificate each time
@given(uris=st.lists(NAMES, max_size=3), dns=st.lists(NAMES, max_size=3), subject=st.text(min_size=1, max_size=16))
def test_each_name_is_of_its_own_kind(uris: list[str], dns: list[str], subject: str) -> None:
    shown = SIGNER.sign(*map(Uri, uris), *map(Dns, dns), subject=[subject])
    *names, common_name = names_of(certificate_of({"x509_pem_cert": [shown.certificate]}) or "")
    assert common_name == f"CN={subject}"
    for name in names:
        assert name in (uris if ":" in name else dns)


DER = ssl.PEM_cert_to_DER_cert(SIGNER.sign(*FINANCE, subject=["finance"]).certificate.decode())


@settings(deadline=None)
@given(st.integers(0, len(DER)), st.binary(max_size=8), st.integers(0, 8))
def test_whatever_a_certificate_is_like_no_call_fails_of_it(at: int, added: bytes, removed: int) -> None:
    told = describe(ssl.DER_cert_to_PEM_cert(DER[:at] + added + DER[at + removed :]).encode())
    assert told is None or names_of(told)


@pytest.mark.parametrize(
    "pem",
    [b"", b"\xff", *(ssl.DER_cert_to_PEM_cert(DER[:end]).encode() for end in (0, 1, 9, -1))],
    ids=["nothing", "no text", "no bytes", "one byte", "nine bytes", "all but one byte"],
)
def test_half_a_certificate_names_nobody(pem: bytes) -> None:
    assert describe(pem) is None


async def start(tls: Tls) -> None:
    """Starts a listener that is not expected to."""
    await GrpcioListener("127.0.0.1:0", dict, lambda _: None, 1, NoTelemetry(), tls=tls).start()
