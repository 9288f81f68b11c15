"""TLS of a listener: the certificate that it shows, and what the connection proves of a caller's.

What grpcio tells of a caller's certificate in single properties ends at the first NUL byte of a name, and does not say
how many common names there are. So names are read from the whole certificate, which core has verified by then.
"""

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import grpc
import structlog

from gateway.errors import ConfigurationError
from gateway.tenancy.certificates import KNOWN_CALLERS, header_of
from gateway.watching import Fingerprint, fingerprint

CERTIFICATE, KEY, CLIENT_CA = "GAPURA_TLS_CERTIFICATE", "GAPURA_TLS_KEY", "GAPURA_TLS_CLIENT_CA"

# Kinds of name never look alike: a DNS name that reads as a URI, or a URI that reads as a DNS name, is passed over.
_URI, _DNS = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+"), re.compile(rb"[A-Za-z0-9._*-]+")

# Tags and object identifiers of DER (ITU-T X.690), and of certificates (RFC 5280).
_VERSION, _EXTENSIONS, _DNS_NAME, _URI_NAME = 0xA0, 0xA3, 0x82, 0x86
_COMMON_NAME, _ALTERNATIVE_NAMES = b"\x55\x04\x03", b"\x55\x1d\x11"
_CHARACTERS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_LONG, _MOST_LENGTH_BYTES = 0x80, 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a listener with TLS, each PEM.

    Attributes:
        certificate: Certificate of the listener, with those between it and its root.
        key: Its private key, without a passphrase.
        client_ca: Who signs the certificates of callers; None where callers need none.
        require_client: Whether callers without a certificate are turned away. grpcio asks for certificates only if so:
            it must be true with `client_ca` and false without.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    require_client: bool = False

    def credentials(self) -> grpc.ServerCredentials:
        """Returns credentials that take up each file once another stands in its place.

        New connections meet the new files; those that are open stay as they are. A caller that resumes a session of
        TLS is not asked anew: until the files change, a certificate that has expired since is good for that.

        Raises:
            ConfigurationError: A file cannot be used.
        """
        if self.require_client != (self.client_ca is not None):
            raise ConfigurationError(
                f"{CLIENT_CA}: grpcio asks callers for a certificate only where it requires one; name an authority and "
                "require certificates, or do neither; where some callers have one, Envoy can ask for it"
            )
        # Taken first: what is replaced while it is read is read again.
        seen = self.fingerprints()
        return grpc.dynamic_ssl_server_credentials(
            self.read(),
            Renewal(self, seen),  # type: ignore[arg-type] # it may return None, which the stubs do not know
            self.require_client,
        )

    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """Tells one state of the files from the next."""
        return tuple(fingerprint(path) for path in (self.certificate, self.key, self.client_ca) if path)

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Reads the files.

        Raises:
            ConfigurationError: One is missing, is of another kind, or the key is not that of the certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain, key = read_file(CERTIFICATE, self.certificate), read_file(KEY, self.key)
        check_authority(CERTIFICATE, self.certificate)
        try:
            context.load_cert_chain(self.certificate, self.key, password=refuse_passphrase)
        except (OSError, ValueError) as error:  # of the first ssl.SSLError is one
            raise ConfigurationError(
                f"{KEY}={self.key} is not the key of {CERTIFICATE}={self.certificate}: {error}"
            ) from error
        authorities = None
        if self.client_ca is not None:
            authorities = read_file(CLIENT_CA, self.client_ca)
            check_authority(CLIENT_CA, self.client_ca)
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)


class Renewal:
    """Returns the files of a listener to core, which asks before each handshake, from a thread of its own.

    Args:
        tls: The files.
        seen: Their fingerprints when they were last read.
    """

    def __init__(self, tls: Tls, seen: tuple[Fingerprint, ...]) -> None:
        self._tls = tls
        self._seen = seen

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """Returns the files if they are others than before and can be used; this takes 15 µs where they are not."""
        now = self._tls.fingerprints()
        if now == self._seen:
            return None
        try:
            configuration = self._tls.read()
        except ConfigurationError as error:
            # Files are replaced one after the other: in between they may not fit, and the next one brings us here.
            log.error("certificate stays as it was", reason=str(error))
            self._seen = now
            return None
        if self._tls.fingerprints() != now:
            return None
        self._seen = now
        log.info("certificate renewed", certificate=str(self._tls.certificate))
        return configuration


def read_file(setting: str, path: Path) -> bytes:
    """Reads a file.

    Raises:
        ConfigurationError: It cannot be read; the message has the name of the setting.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{setting}={path}: {error.strerror}") from error


def check_authority(setting: str, path: Path) -> None:
    """Makes sure that a file holds certificates.

    Raises:
        ConfigurationError: It does not.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except OSError as error:  # of which ssl.SSLError is one
        raise ConfigurationError(f"{setting}={path} holds no certificate in PEM: {error}") from error


def refuse_passphrase() -> str:
    """Says so instead of asking at the terminal.

    Raises:
        ValueError: Always.
    """
    raise ValueError("it has a passphrase; take it off")


def certificate_of(auth_context: Mapping[str, Iterable[bytes]]) -> str | None:
    """Returns what a connection proves of its caller, in the form of the header `x-forwarded-client-cert`.

    None where the caller has shown no certificate, or one without a name.
    """
    pem = next(iter(auth_context.get("x509_pem_cert", ())), None)
    return None if pem is None else describe(pem)


@lru_cache(KNOWN_CALLERS)
def describe(pem: bytes) -> str | None:
    """Returns the same of a certificate; one that cannot be read names nobody."""
    try:
        return header_of(*read_names(ssl.PEM_cert_to_DER_cert(pem.decode()))) or None
    except (ValueError, IndexError):
        return None


def read_names(der: bytes) -> tuple[list[str], list[str], str]:
    """Returns the URIs and DNS names of a certificate, and its common name, or "" where it has none or several.

    Raises:
        ValueError: It is no certificate.
        IndexError: As above.
    """
    (_, certificate), *_ = elements(der)
    (_, signed), *_ = elements(certificate)
    # RFC 5280, 4.1: version, serial number, algorithm, issuer, validity, subject, key, and what is optional.
    fields = list(elements(signed))
    if fields[0][0] != _VERSION:
        raise ValueError("certificates of the first version have no version, nor alternative names")
    names = [name for tag, content in fields[7:] if tag == _EXTENSIONS for name in alternative_names(content)]
    uris = [value.decode() for tag, value in names if tag == _URI_NAME and _URI.fullmatch(value)]
    dns = [value.decode() for tag, value in names if tag == _DNS_NAME and _DNS.fullmatch(value)]
    subjects = list(common_names(fields[5][1]))
    return uris, dns, subjects[0] if len(subjects) == 1 else ""


def alternative_names(extensions: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields tag and content of each alternative name (RFC 5280, 4.2.1.6)."""
    (_, listed), *_ = elements(extensions)
    for _, extension in elements(listed):
        (_, kind), *_, (_, value) = elements(extension)
        if kind == _ALTERNATIVE_NAMES:
            (_, names), *_ = elements(value)
            yield from elements(names)


def common_names(subject: bytes) -> Iterator[str]:
    """Yields the common names of a subject (RFC 5280, 4.1.2.4)."""
    for _, relative in elements(subject):
        for _, attribute in elements(relative):
            (_, kind), (tag, value) = elements(attribute)
            if kind == _COMMON_NAME:
                yield value.decode(_CHARACTERS[tag]) if tag in _CHARACTERS else ""


def elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields tag and content of each element of DER.

    Raises:
        ValueError: One ends beyond `content`, or has no length.
        IndexError: The last one ends within its head.
    """
    start = 0
    while start < len(content):
        tag, length, start = content[start], content[start + 1], start + 2
        if length >= _LONG:
            count = length - _LONG
            if not 0 < count <= _MOST_LENGTH_BYTES:
                raise ValueError("a length is not that of DER")
            length, start = int.from_bytes(content[start : start + count]), start + count
        if start + length > len(content):
            raise ValueError("an element is longer than what holds it")
        yield tag, content[start : start + length]
        start += length
