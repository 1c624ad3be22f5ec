"""Forgotten passwords, and the first ones of who was invited."""

from contextlib import suppress

from wutang_auth import audit
from wutang_auth.errors import DeadLink, NotFound
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import MailTokenRepository, UserRepository
from wutang_auth.response_codes import Language
from wutang_auth.service.by_mail.links import digest_of
from wutang_auth.service.by_mail.requests import MailRequests


class PasswordResetService:
    """How a user gets another password without the old one."""

    def __init__(
        self,
        *,
        requests: MailRequests,
        tokens: MailTokenRepository,
        users: UserRepository,
        passwords: Passwords,
        rules: PasswordRules,
    ) -> None:
        self._requests = requests
        self._tokens = tokens
        self._users = users
        self._passwords = passwords
        self._rules = rules

    async def ask_for_reset(self, email: str, language: Language) -> None:
        """Have a mail with a link sent to whoever has this address, if anybody has.

        Raises:
            TooManyAttempts: the recipient got several mails lately, or the client address asked for many.
        """
        await self._requests.ask("reset", email, language)
        audit.record("reset_asked")

    async def reset_password(self, token: str, password: str, language: Language) -> None:
        """Set the password by the link of a mail; all sessions end, and nobody is logged in by it.

        Raises:
            DeadLink: the link was used already, or has expired, or the user is disabled or has another address.
            InvalidParameters: the password breaks a rule.
            Overloaded: too many passwords wait to be hashed.
        """
        found = await self._tokens.find(digest_of(token), "reset", "invite")
        user = None
        if found.user_id is not None:
            with suppress(NotFound):
                user = await self._users.get(found.user_id)
        if user is None:
            raise DeadLink
        self._rules.check(password, email=user.email, name=user.name)
        password_hash = await self._passwords.hash(password)
        await self._tokens.reset(found, password_hash=password_hash, language=language)
        self._requests.nudge()
        audit.record("password_reset", user_id=user.id)
