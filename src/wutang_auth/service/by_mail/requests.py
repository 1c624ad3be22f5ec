"""Mails that people ask for: counted, then written down for the sender."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from wutang_auth.context import request_context
from wutang_auth.database import Transaction
from wutang_auth.fields import MailKind
from wutang_auth.repository import MailRepository
from wutang_auth.response_codes import Language
from wutang_auth.service.throttle import Throttle


class MailRequests:
    """Takes requests for mails, at most so many for one recipient and from one address."""

    def __init__(self, *, mails: MailRepository, throttle: Throttle, nudge: Callable[[], None]) -> None:
        self._mails = mails
        self._throttle = throttle
        self.nudge = nudge
        """Tells the sender of this process that there is something to send."""

    async def ask(self, kind: MailKind, email: str, language: Language, *, user_id: int | None = None) -> None:
        """Have a mail sent to this address, or to the user's with this id.

        SECURITY: the same statements whoever it is; nothing of an account is looked up.

        Raises:
            TooManyAttempts: the recipient got several lately, or the client address asked for many.
        """
        await self.admit(email)
        # SECURITY: the sender is not told. If it set to work at once, the next answer of this process would take longer
        # where somebody has this address, and so tell it. It looks by itself within a second or two.
        await self._mails.write(kind, email, language, user_id=user_id)

    async def admit(self, email: str) -> None:
        """Count a mail to this address.

        Raises:
            TooManyAttempts: the recipient got several lately, or the client address asked for many.
        """
        await self._throttle.admit(email, request_context.get().client_address)

    def together(self) -> AbstractAsyncContextManager[Transaction]:
        """One for mails of which none is to be sent without the others."""
        return self._mails.transaction()

    async def write(
        self,
        transaction: Transaction,
        kind: MailKind,
        email: str,
        language: Language,
        *,
        user_id: int,
        other_email: str,
    ) -> None:
        """Have a mail sent that is not counted; as by `ask`, the sender is not told."""
        await self._mails.write(
            kind, email, language, user_id=user_id, other_email=other_email, transaction=transaction
        )
