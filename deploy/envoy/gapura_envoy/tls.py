"""TLS at the edge: which certificate it shows, and whose certificates it wants to see."""

import ssl
from pathlib import Path

from gapura_envoy.errors import EdgeError
from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import Config, extension, typed, watched

CERTIFICATE, AUTHORITIES = "certificate", "authorities"
PROTOCOLS = ["h2", "http/1.1"]
SOURCE = "envoy.extensions.transport_sockets.tls.v3.Secret"


def compose_tls(settings: EdgeSettings, certificate: Path, authorities: Path) -> Config | None:
    """Returns the transport of a listener with TLS, or None.

    Args:
        settings: Of the edge.
        certificate: File that names the certificate; Envoy reads it again when another is moved to its place.
        authorities: The same of whose clients' certificates are taken.
    """
    if settings.certificate is None:
        return None
    common: Config = {
        "alpn_protocols": PROTOCOLS,
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [{"name": CERTIFICATE, "sds_config": watched(certificate)}],
    }
    if settings.client_ca is not None:
        common["validation_context_sds_secret_config"] = {"name": AUTHORITIES, "sds_config": watched(authorities)}
    return extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=common,
        require_client_certificate=settings.client_ca is not None and settings.client_certificate == "required",
    )


def compose_certificate(settings: EdgeSettings) -> Config:
    """Returns what the file of the certificate holds: paths, no key."""
    if settings.certificate is None or settings.key is None:
        return {"resources": []}
    pair = {"certificate_chain": file(settings.certificate), "private_key": file(settings.key)}
    return {"resources": [typed(SOURCE, name=CERTIFICATE, tls_certificate=pair)]}


def compose_authorities(settings: EdgeSettings) -> Config:
    """Returns what the file of authorities holds."""
    if settings.client_ca is None:
        return {"resources": []}
    trusted = {"trusted_ca": file(settings.client_ca)}
    return {"resources": [typed(SOURCE, name=AUTHORITIES, validation_context=trusted)]}


def file(path: Path) -> Config:
    """Returns a file as a source."""
    return {"filename": str(path.absolute())}


def check_certificates(settings: EdgeSettings) -> None:
    """Makes sure that certificates can be used, which Envoy would only say while it runs.

    Raises:
        EdgeError: One cannot.
    """
    try:
        if settings.certificate is not None:
            named = f"GAPURA_EDGE_CERTIFICATE={settings.certificate}, GAPURA_EDGE_KEY={settings.key}"
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.certificate, settings.key)
        if settings.client_ca is not None:
            named = f"GAPURA_EDGE_CLIENT_CA={settings.client_ca}"
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(settings.client_ca)
    except OSError as error:  # of which ssl.SSLError is one
        raise EdgeError(f"{named}: {error.strerror or error}") from error
