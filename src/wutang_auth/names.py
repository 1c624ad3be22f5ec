"""Names of users: what is accepted as one."""

import unicodedata

MAX_LENGTH = 255
_MAX_SENT = 3 * MAX_LENGTH  # decomposed and with space around it


def parse_name(text: str) -> str:
    """The name, trimmed and in NFC; it may be empty.

    Raises:
        ValueError: too long, or not text of one line.
    """
    # SECURITY: normalizing takes time that grows with the square: 0.3 s for what a body can hold
    # SECURITY: control characters would drive terminals, forge lines or, as NUL and lone surrogates, break the database
    if len(text) > _MAX_SENT or any(unicodedata.category(character) in _UNFIT for character in text):
        raise ValueError("not a name")
    name = unicodedata.normalize("NFC", text).strip()
    if len(name) > MAX_LENGTH:
        raise ValueError("not a name")
    return name


_UNFIT = ("Cc", "Cs", "Zl", "Zp")
PATTERN = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*"
"""The same for documents; surrogates cannot be in one."""
