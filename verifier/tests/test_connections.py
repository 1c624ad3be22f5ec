"""The way to the service: TLS that is verified, and answers that never come."""

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support.publishing import Publisher, publishing
from wutang_auth_verifier import StaleView, Verifier


def certificate(folder: Path, address: str) -> Path:
    """A certificate of its own for this address, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "auth.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = folder / f"{address}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize(
    ("address", "is_trusted", "passes"),
    [("127.0.0.1", True, True), ("127.0.0.1", False, False), ("127.0.0.2", True, False)],
    ids=["of a CA that is trusted", "of nobody", "of another address"],
)
def test_certificates_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, *, is_trusted: bool, passes: bool
) -> None:
    file = certificate(tmp_path, address)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    with publishing(Publisher(), tls) as publisher:
        assert publisher.base_url.startswith("https://")
        with Verifier(publisher.base_url, issuer="wutang-auth", audience="wutang") as verifier:
            if passes:
                assert verifier.verify(publisher.issue()).user_id == 1
            else:
                with pytest.raises(StaleView):
                    verifier.verify(publisher.issue())


def test_an_answer_that_never_comes_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wutang_auth_verifier.verifier._TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Verifier(base_url, issuer="wutang-auth", audience="wutang") as verifier, pytest.raises(StaleView):
            verifier.verify("a.b.c")
        assert time.monotonic() - begun < 5


def test_a_path_before_the_service_s_own_is_kept() -> None:
    publisher, own = Publisher(), Publisher()
    own.ring = publisher.ring
    publisher.answer = lambda path: own.respond(path.removeprefix("/auth"), None)
    with publishing(publisher):
        for slash in ("", "/"):
            with Verifier(f"{publisher.base_url}/auth{slash}", issuer="wutang-auth", audience="wutang") as verifier:
                verifier.verify(publisher.issue())
        assert all(" /auth/.well-known/" in asked for asked in publisher.asked)
