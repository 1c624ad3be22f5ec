"""The user's address: verified by its mailbox, changed by the new one, brought back by the old one."""

from collections.abc import Awaitable
from contextlib import suppress
from functools import partial

from wutang_auth import audit
from wutang_auth.errors import EmailNotVerified, TooManyAttempts
from wutang_auth.repository import MailTokenRepository
from wutang_auth.response_codes import Language
from wutang_auth.service.auth import Caller
from wutang_auth.service.by_mail.links import UNDO_AFTER_CHANGE, digest_of
from wutang_auth.service.by_mail.requests import MailRequests
from wutang_auth.service.freshness import FreshnessService


class EmailService:
    """How a user's address is verified and changed."""

    def __init__(
        self,
        *,
        requests: MailRequests,
        tokens: MailTokenRepository,
        freshness: FreshnessService,
        both_confirm: bool,
    ) -> None:
        """`both_confirm`: a change asks the old address first, then the new one."""
        self._requests = requests
        self._tokens = tokens
        self._freshness = freshness
        self._both_confirm = both_confirm

    async def ask_for_verification(self, caller: Caller, language: Language) -> None:
        """Have a mail with a link sent to the caller's address, unless that is verified.

        Raises:
            TooManyAttempts: it got several mails lately, or the client address asked for many.
        """
        if caller.user.email_verified_at is None:
            await self._requests.ask("verify", caller.user.email, language, user_id=caller.user.id)

    async def refuse_unverified(self, user_id: int, email: str, language: Language) -> None:
        """Refuse a login with the right password, and mail the link that helps, unless several were mailed lately.

        Raises:
            EmailNotVerified: always.
        """
        with suppress(TooManyAttempts):
            await self._requests.ask("verify", email, language, user_id=user_id)
        raise EmailNotVerified

    async def verify_email(self, token: str) -> None:
        """Verify the address that the link was mailed to.

        Raises:
            DeadLink: the link was used already, or has expired, or the user is disabled or has another address.
        """
        found = await self._tokens.find(digest_of(token), "verify")
        await self._tokens.verify(found)
        audit.record("email_verified", user_id=found.user_id)

    async def ask_for_email_change(self, caller: Caller, email: str, language: Language) -> None:
        """Ask the new address whether it is the caller's, and tell the old one, with a way back. Nothing changes yet.

        Whether somebody else has the new address is not told here; its owner is told by mail.

        Raises:
            NotFresh: the last proof of who the caller is lies too far back.
            TooManyAttempts: the new address got several mails lately, or the client address asked for many.
        """
        await self._freshness.ensure(caller)
        await self._requests.admit(email)
        user = caller.user
        async with self._requests.together() as transaction:
            # SECURITY: again, since who was shut out meanwhile asks for no change any more
            await self._freshness.ensure(caller, transaction)
            write = partial(self._requests.write, transaction, language=language, user_id=user.id)
            # SECURITY: no change without its notice, which has the way back
            await write("email_changed_notice", user.email, other_email=email)
            if self._both_confirm:
                await write("email_agree", user.email, other_email=email)
            else:
                await write("email_change", email, other_email=user.email)
        audit.record("email_change_asked", user_id=user.id, session_id=caller.session_id)

    async def confirm_email(self, token: str, language: Language) -> None:
        """Change the address by the link that the new one got; or agree to it by the link that the old one got.

        Raises:
            DeadLink: the link was used already, or has expired, or the user is disabled or has another address.
            EmailTaken: another user has the new address.
        """
        found = await self._tokens.find(digest_of(token), "email_change", "email_agree")
        if found.purpose == "email_agree":
            await self._after(self._tokens.agree(found, language))
            return
        await self._tokens.change_email(found, undo_for=UNDO_AFTER_CHANGE)
        audit.record("email_changed", user_id=found.user_id)

    async def undo_email_change(self, token: str, language: Language) -> None:
        """Keep or bring back the old address, by the link that it got: whoever asked for the change is shut out.

        All sessions end, the password works no more, and the old address gets a link to choose another.

        Raises:
            DeadLink: the link was used already, or has expired, or the user is disabled.
            EmailTaken: another user has the old address by now.
        """
        found = await self._tokens.find(digest_of(token), "email_undo")
        await self._after(self._tokens.undo_email_change(found, language))
        audit.record("email_change_undone", user_id=found.user_id)

    async def _after(self, change: Awaitable[None]) -> None:
        """Do what writes a mail, and tell the sender."""
        await change
        self._requests.nudge()
