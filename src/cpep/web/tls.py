"""The certificate of a server that others reach over a network."""

from __future__ import annotations

import ssl
import stat
import sys
from pathlib import Path

from cpep.types import UserError

OPENSSL = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=cpep -keyout key.pem -out cert.pem"
"""Makes a certificate that its maker signed; a browser asks once whether to trust it."""


def tls_of(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return what encrypts connections; ``None`` where neither file is given.

    Args:
        certificate: in PEM, with those that signed it after it.
        key: its private key in PEM, which nobody else may read.

    Raises:
        UserError: one is missing, cannot be read, does not belong to the other, or others can read the key.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UserError(f"give both, --tls-cert and --tls-key; both are made by: {OPENSSL}")
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        if not path.is_file():
            raise UserError(f"{option} {path} is no file; certificate and key are made by: {OPENSSL}")
    if sys.platform != "win32" and stat.S_IMODE(key.stat().st_mode) & 0o077:
        raise UserError(f"other users of this machine can read the key {key}; type: chmod 600 {key}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise UserError(_wrong(certificate, key, error.reason or "")) from error
    except OSError as error:
        raise UserError(f"cannot read {certificate} or {key}: {error.strerror or error}") from error
    return context


def _no_password() -> str:
    return ""


def _wrong(certificate: Path, key: Path, reason: str) -> str:
    if reason == "KEY_VALUES_MISMATCH":
        return f"the key {key} does not belong to the certificate {certificate}; give the two that were made together"
    what = f"{certificate} is no certificate, or {key} is no key without a password"
    return f"{what} ({reason.lower() or 'not readable'}); both are PEM files, as made by: {OPENSSL}"
