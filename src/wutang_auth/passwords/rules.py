"""What a new password must be like: one place for HTTP and the command line."""

import unicodedata
from functools import cache
from pathlib import Path

from wutang_auth.errors import FieldError, InvalidParameters
from wutang_auth.passwords.hashing import MAX_LENGTH

_Reason = tuple[str, str]
"""Which rule, and how to meet it: in Chinese and in English."""

_UNFIT: _Reason = ("含有无效字符(NUL 或不完整的字符),请去掉", "has characters that no text may have; leave them out")
_COMMON: _Reason = (
    "过于常见,会最先被猜到;请用几个不相关的词,或由密码管理器生成",
    "is among the most used ones; take several unrelated words, or let a password manager make one",
)
_EMAIL: _Reason = (
    "不能是邮箱地址或其 @ 之前的部分;请用与账号无关的内容",
    "must not be the e-mail address or its part before the @; take something that the account does not show",
)
_NAME: _Reason = (
    "不能是用户名称;请用与账号无关的内容",
    "must not be the user's name; take something that the account does not show",
)
_SAME: _Reason = ("不能与当前密码相同;请换一个新的", "must differ from the current one; take another")


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
        broken = self._misshapen(hashed) or _guessable(hashed, email, name)
        if current is not None and hashed == unicodedata.normalize("NFC", current):
            broken = broken or _SAME
        if broken is not None:
            raise InvalidParameters([FieldError(field, *broken)])

    def _misshapen(self, password: str) -> _Reason | None:
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in password):
            return _UNFIT
        if len(password) < self._min_length:
            return (f"过短,至少需要 {self._min_length} 个字符", f"must have at least {self._min_length} characters")
        if len(password) > MAX_LENGTH:
            return (f"过长,最多 {MAX_LENGTH} 个字符", f"must have at most {MAX_LENGTH} characters")
        return None


def _guessable(password: str, email: str, name: str) -> _Reason | None:
    folded = _folded(password)
    if _is_common(folded):
        return _COMMON
    if folded in (_folded(email), _folded(email.rpartition("@")[0])):
        return _EMAIL
    if folded == _folded(name):
        return _NAME
    return None


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
