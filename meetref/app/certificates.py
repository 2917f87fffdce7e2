"""TLS for the TCP door: somebody's own certificate files, or one that is made at start.

Stands on `ssl` and `cryptography`; `app/safety` chooses. (DTLS has certificates of its own, in `protocol/certificate`.)
Specification: RFC 5280 and RFC 9525 (names are in the subjectAltName), RFC 9325 (TLS 1.2 at least).
Leaves out: renewing; a server that is told to will be restarted by whoever renews the files.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meetref.app.command import CommandFailed

LIFETIME = timedelta(days=90)


def load_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context from PEM files. Raises `CommandFailed` with what is wrong with them."""
    for path in (certificate, key):
        if not path.is_file():
            raise CommandFailed(f"there is no file {path}")
    context = _empty_context()
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise CommandFailed(f"{certificate} and {key} are no certificate and its key ({reason})") from None
    return context


def make_self_signed_tls(names: Iterable[str], *, now: float) -> ssl.SSLContext:
    """A context with a certificate nobody knows: encrypted, but a browser warns. `now` is the wall clock."""
    certificate, key = make_self_signed(names, now=now)
    # OpenSSL takes files only; they are readable for us alone, and gone a moment later.
    with tempfile.TemporaryDirectory(prefix="meetref-") as folder:
        certificate_file, key_file = Path(folder) / "certificate.pem", Path(folder) / "key.pem"
        certificate_file.write_bytes(certificate)
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)
        return load_tls(certificate_file, key_file)


def make_client_tls(*, insecure: bool) -> ssl.SSLContext:
    """What a client of a server with TLS needs; `insecure` takes any certificate, so that anybody may be the server."""
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def make_self_signed(names: Iterable[str], *, now: float) -> tuple[bytes, bytes]:
    """Certificate and key as PEM, for host names and IP addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meetref (self-signed)")])
    made_at = datetime.fromtimestamp(int(now), UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(made_at - timedelta(days=1))
        .not_valid_after(made_at + LIFETIME)
        .add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in sorted(set(names))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _empty_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; a server cannot ask for its password")
