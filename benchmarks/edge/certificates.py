"""Certificates for Envoys that speak TLS."""

import subprocess
from pathlib import Path


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Makes a certificate for this machine that is its own authority; returns it and its key.

    Raises:
        CalledProcessError: `openssl` fails.
    """
    certificate, key = folder / "edge.crt", folder / "edge.key"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = ["openssl", "req", "-x509", *curve, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command
    return certificate, key
