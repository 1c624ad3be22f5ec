"""What a new password must be like: one place for HTTP and the command line."""

import unicodedata
from functools import cache
from pathlib import Path

from wutang_auth.errors import FieldError, InvalidParameters
from wutang_auth.passwords.hashing import MAX_LENGTH


class PasswordRules:
    """The rules for new passwords; the stored ones are left alone."""

    def __init__(self, *, min_length: int) -> None:
        self._min_length = min_length

    def check(
        self, password: str, *, email: str, name: str, current: str | None = None, field: str = "password"
    ) -> None:
        """Accept a new password for the user with this e-mail and name.

        Raises:
            InvalidParameters: a rule is broken; the field error says which and how to meet it, and not the password.
        """
        # SECURITY: normalizing takes time that grows with the square; what is longer could not be sent at login either
        hashed = unicodedata.normalize("NFC", password) if len(password) <= MAX_LENGTH else password
        problem = self._misshapen(hashed) or _guessable(hashed, email, name)
        if problem is None and current is not None and hashed == unicodedata.normalize("NFC", current):
            problem = "password_is_current"
        if problem is not None:
            limit = {"password_too_short": self._min_length, "password_too_long": MAX_LENGTH}.get(problem)
            raise InvalidParameters([FieldError(field, problem, limit)])

    def _misshapen(self, password: str) -> str | None:
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in password):
            return "password_unfit_text"
        if len(password) < self._min_length:
            return "password_too_short"
        return "password_too_long" if len(password) > MAX_LENGTH else None


def _guessable(password: str, email: str, name: str) -> str | None:
    folded = _folded(password)
    if _is_common(folded):
        return "password_common"
    if folded in (_folded(email), _folded(email.rpartition("@")[0])):
        return "password_is_email"
    return "password_is_name" if folded == _folded(name) else None


def _folded(text: str) -> str:
    """As a guesser would try it: whatever the case, width or spacing."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(unicodedata.normalize("NFKC", folded).split())


def _is_common(folded: str) -> bool:
    # a search through 200 KB takes 0.1 ms; a set of them would take ten times the memory, in each worker
    return not folded or f"\n{folded}\n".encode() in _common_passwords()


@cache
def _common_passwords() -> bytes:
    """The most used passwords of eight characters and more; sources: common_passwords.LICENSE.txt."""
    return Path(__file__).with_name("common_passwords.txt").read_bytes()
