"""Registration: an account begins when its mailbox has answered, with the name and password that come then."""

from collections.abc import Collection

from wutang_auth import audit
from wutang_auth.errors import FieldError, InvalidParameters
from wutang_auth.fields import canonical_email
from wutang_auth.passwords.rules import PasswordRules
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import MailTokenRepository, UserRecord
from wutang_auth.response_codes import Language
from wutang_auth.service.by_mail.links import digest_of
from wutang_auth.service.by_mail.requests import MailRequests


class RegistrationService:
    """How people get an account by themselves."""

    def __init__(
        self,
        *,
        requests: MailRequests,
        tokens: MailTokenRepository,
        passwords: Passwords,
        rules: PasswordRules,
        domains: Collection[str] | None,
    ) -> None:
        """`domains` are those whose addresses may register, in their canonical form; None: all."""
        self._requests = requests
        self._tokens = tokens
        self._passwords = passwords
        self._rules = rules
        self._domains = domains

    async def ask_to_register(self, email: str, language: Language) -> None:
        """Have a mail sent with a link to register; to whom has an account, a mail that says so.

        Raises:
            InvalidParameters: addresses of this domain do not register here, whoever has one.
            TooManyAttempts: the recipient got several mails lately, or the client address asked for many.
        """
        if self._domains is not None and canonical_email(email).rpartition("@")[2] not in self._domains:
            raise InvalidParameters([FieldError("email", "registration_domain")])
        await self._requests.ask("register", email, language)
        audit.record("registration_asked")

    async def register(self, token: str, *, name: str, password: str) -> UserRecord:
        """Make the account whose mailbox has answered; the user logs in next.

        Raises:
            DeadLink: the link was used already, or has expired.
            InvalidParameters: the password breaks a rule.
            EmailTaken: somebody got this address meanwhile.
            Overloaded: too many passwords wait to be hashed.
        """
        found = await self._tokens.find(digest_of(token), "register")
        self._rules.check(password, email=found.email, name=name)
        user = await self._tokens.register(found, name=name, password_hash=await self._passwords.hash(password))
        audit.record("registered", user_id=user.id)
        return user
