"""Codes that an app makes of a secret and the time (TOTP, RFC 6238)."""

import hmac
import secrets
from base64 import b32encode
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

KEY_BYTES: Final = 20  # RFC 4226 section 4, R6: 160 bits are recommended
DIGITS: Final = 6
STEP_SECONDS: Final = 30  # RFC 6238 section 5.2 recommends it, and apps know no other


def new_secret() -> bytes:
    """A secret for one user's app."""
    return secrets.token_bytes(KEY_BYTES)


def code_of(secret: bytes, counter: int, *, digits: int = DIGITS) -> str:
    """The code of a counter (RFC 4226 section 5.3), which of a time is its step: by SHA-1, as all apps do it."""
    mac = hmac.digest(secret, counter.to_bytes(8), "sha1")
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4]) & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_of(seconds: float) -> int:
    """The time step in which this many seconds since the epoch lie."""
    return int(seconds // STEP_SECONDS)


def matching_step(secret: bytes, code: str, seconds: float) -> int | None:
    """The step whose code this is: the present one, or the one before or after it (RFC 6238 section 5.2).

    Returns:
        The latest that matches, so that using it up uses up all that match; None if none does.
    """
    present = step_of(seconds)
    # SECURITY: all three are compared, in a time that tells nothing of the right code
    matching = [
        step
        for step in range(present - 1, present + 2)
        if hmac.compare_digest(code_of(secret, step).encode(), code.encode())
    ]
    return max(matching, default=None)


def secret_text(secret: bytes) -> str:
    """The secret as people type it into an app: base32 (RFC 4648 section 6)."""
    return b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, *, issuer: str, account: str) -> str:
    """What an app reads from the QR code: the URI that Google Authenticator made the custom.

    The first colon parts issuer and account, so that neither may have one.
    """
    issuer, account = (text.replace(":", " ") for text in (issuer, account))
    query = {
        "secret": secret_text(secret), "issuer": issuer,
        "algorithm": "SHA1", "digits": DIGITS, "period": STEP_SECONDS,
    }  # fmt: skip
    return f"otpauth://totp/{quote(issuer, safe='')}:{quote(account, safe='@')}?{urlencode(query, quote_via=quote)}"


def shown_issuer(issuer: str) -> str:
    """What apps call a service of this issuer: the host, if it is a URL."""
    return urlsplit(issuer).hostname or issuer if "://" in issuer else issuer
