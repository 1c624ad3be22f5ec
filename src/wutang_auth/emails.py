"""E-mail addresses: what is accepted as one, and when two are the same."""

import unicodedata

MAX_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
_MAX_SENT = 3 * MAX_LENGTH  # decomposed and with space around it


def parse_email(text: str) -> str:
    """The address, trimmed and in NFC.

    Raises:
        ValueError: no such address can exist.
    """
    # SECURITY: normalizing takes time that grows with the square: 0.3 s for what a body can hold
    if len(text) > _MAX_SENT:
        raise ValueError("not an e-mail address")
    email = unicodedata.normalize("NFC", text.strip())
    local, at, domain = email.rpartition("@")
    if not (at and 0 < len(local) <= 64 and len(domain) > 0 and len(email) <= MAX_LENGTH) or "@" in local:
        raise ValueError("not an e-mail address")
    # SECURITY: control characters, separators and lone surrogates would forge log lines or break the database's text
    if any(unicodedata.category(character)[0] in "CZ" for character in email):
        raise ValueError("not an e-mail address")
    # one character may stand for eighteen, and an index holds only so much
    if len(canonical_email(email)) > MAX_LENGTH:
        raise ValueError("not an e-mail address")
    return email


def canonical_email(email: str) -> str:
    """The form in which two spellings of one address are equal: NFKC and case-folded (Unicode 15, D145 and D146)."""
    folded = unicodedata.normalize("NFKC", email).casefold()
    return unicodedata.normalize("NFKC", folded)
