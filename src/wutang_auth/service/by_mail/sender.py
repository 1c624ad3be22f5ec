"""The sender: takes what waits in `mails`, makes the tokens, and hands the mails to the mail server."""

import asyncio
import logging
import random
from collections import deque
from dataclasses import dataclass
from datetime import timedelta

from wutang_auth import audit
from wutang_auth.errors import AuthError, in_words
from wutang_auth.fields import MailKind, Purpose
from wutang_auth.mail.delivery import RefusedForEver, RefusedForNow, ServerAway
from wutang_auth.mail.messages import Messages, Transport
from wutang_auth.observability.logs import places
from wutang_auth.repository import ClaimedMail, MailRecord, MailRepository, MailTokenRepository
from wutang_auth.repository.mails import LEASE
from wutang_auth.service.by_mail.links import UNDO_AFTER_CHANGE, new_token

logger = logging.getLogger(__name__)

_MAX_AGE = timedelta(hours=24)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
_MINUTE = 60.0
_FIRST_GUESS = 0.1  # seconds that a mail takes, as long as none was sent

_PURPOSES: dict[MailKind, Purpose] = {
    "register": "register",
    "reset": "reset",
    "invite": "invite",
    "verify": "verify",
    "email_change": "email_change",
    "email_agree": "email_agree",
    "email_changed_notice": "email_undo",
}


@dataclass(frozen=True, slots=True)
class LinkLifetimes:
    """How long links count, in seconds."""

    reset: int
    verify: int
    invite: int

    def of(self, purpose: Purpose) -> timedelta:
        """The lifetime of a link; one that undoes a change outlives the latest confirmation by three days."""
        if purpose == "email_undo":
            return timedelta(seconds=self.verify) + UNDO_AFTER_CHANGE
        seconds = {"reset": self.reset, "invite": self.invite}.get(purpose, self.verify)
        return timedelta(seconds=seconds)


class Sender:
    """Sends one mail after the other, by one connection; each worker has one sender, and they share what waits.

    Args:
        per_minute: So many mails at most; the rest waits.
        longest_wait: Seconds between two attempts to reach a mail server that is away, at most; the first is one.
        interval: Seconds between two looks at what waits, more or less, if nobody nudges.
        lease: How long a mail that was taken is left to who took it.
    """

    def __init__(
        self,
        *,
        mails: MailRepository,
        tokens: MailTokenRepository,
        messages: Messages,
        transport: Transport,
        lifetimes: LinkLifetimes,
        per_minute: int,
        longest_wait: float = 30.0,
        interval: float = 1.0,
        lease: timedelta = LEASE,
    ) -> None:
        self._mails = mails
        self._tokens = tokens
        self._messages = messages
        self._transport = transport
        self._lifetimes = lifetimes
        self._longest_wait = longest_wait
        self._interval = interval
        self._lease = lease
        self._written = asyncio.Event()
        self._attempted_at: deque[float] = deque(maxlen=per_minute)
        self._took = _FIRST_GUESS
        self._failures = 0

    def nudge(self) -> None:
        """There is something to send."""
        self._written.set()

    async def run(self) -> None:
        """Send what is due, for ever."""
        try:
            while True:
                self._written.clear()
                pause = await self._send_what_is_due()
                if pause is None:
                    await self._transport.close()
                    await self._wait_for_nudge()
                else:
                    await asyncio.sleep(pause)
        finally:
            await self._transport.close()

    async def _wait_for_nudge(self) -> None:
        try:
            async with asyncio.timeout(self._interval * random.uniform(0.5, 1.5)):  # noqa: S311 -- no secret
                await self._written.wait()
        except TimeoutError:
            pass

    async def _send_what_is_due(self) -> float | None:
        """Send until nothing is due (None), or for so many seconds nothing can be sent."""
        try:
            while claimed := await self._mails.claim(lease=self._lease, age=_MAX_AGE):
                pause = await self._try(claimed) or self._pause_for_rate()
                if pause is not None:
                    return pause
        except AuthError as error:
            logger.warning("mails wait for the database: %s", in_words(error))
            return self._interval
        except Exception as error:  # noqa: BLE001 -- whatever it is, mails are sent again later
            _log_bug(error)
            return self._longest_wait
        return None

    async def _try(self, claimed: ClaimedMail) -> float | None:
        """Send one mail, or see to it that it is sent later; the pause where the mail server cannot be used."""
        mail = claimed.mail
        try:
            await self._attempt(mail)
        except RefusedForEver as error:
            await self._give_up(mail, "mail_refused", str(error))
        except ServerAway as error:
            await self._put_off(claimed, timedelta(), str(error))
            return self._server_is_away(error)
        except RefusedForNow as error:
            await self._put_off(claimed, _wait(mail.attempts), str(error))
        except AuthError:
            raise
        except Exception as error:  # noqa: BLE001 -- one mail that cannot be made keeps no other from being sent
            _log_bug(error)
            await self._put_off(claimed, _wait(mail.attempts), "a bug")
        return None

    async def _put_off(self, claimed: ClaimedMail, wait: timedelta, why: str) -> None:
        if claimed.is_late:
            await self._give_up(claimed.mail, "mail_given_up", why)
        else:
            await self._mails.postpone(claimed.mail, wait)

    async def _attempt(self, mail: MailRecord) -> None:
        """Send one mail, if it is to be sent to anybody.

        SECURITY: one that is not takes as long, needs the mail server, and counts as one of the minute's. Whoever asks
        for a mail to a stranger, and then for one of their own, would learn by its time whether that has an account.
        """
        now = asyncio.get_running_loop().time
        await self._transport.open()
        began = now()
        kind, email, token = await self._addressed(mail)
        if email is None:
            await asyncio.sleep(began + self._took - now())
        else:
            purpose = _PURPOSES.get(kind)
            message = self._messages.compose(
                kind,
                mail.language,
                to=email,
                mail_id=mail.id,
                other_email=mail.other_email,
                link=(purpose, token, self._lifetimes.of(purpose)) if purpose and token else None,
            )
            await self._transport.send(message)
            self._took = now() - began
            if self._failures:
                logger.info("mails are sent again")
                self._failures = 0
            audit.record("mail_sent", user_id=mail.user_id, reason=kind)
        self._attempted_at.append(now())
        await self._mails.remove(mail.id)

    async def _addressed(self, mail: MailRecord) -> tuple[MailKind, str | None, str | None]:
        """What to send, to which address (None: to nobody), and with which token, made just now."""
        if mail.kind in ("register", "email_change"):
            owner = await self._tokens.owner(mail.canonical_email)
            if owner is not None and owner.user_id != mail.user_id:
                # SECURITY: to the stored address; and nothing to who was shut out
                return "already_registered", None if owner.is_disabled else owner.email, None
        purpose = _PURPOSES.get(mail.kind)
        if purpose is None:
            return mail.kind, mail.email, None
        token, digest = new_token()
        email = await self._tokens.mint(mail, purpose, digest, self._lifetimes.of(purpose))
        return mail.kind, email, token

    async def _give_up(self, mail: MailRecord, event: audit.Event, why: str) -> None:
        await self._mails.remove(mail.id)
        audit.record(event, user_id=mail.user_id, reason=mail.kind, detail=why)

    def _server_is_away(self, error: ServerAway) -> float:
        """Say so once; the pause until the next attempt."""
        if self._failures == 0:
            logger.error("mails wait: %s", error)
        self._failures += 1
        return min(2.0 ** min(self._failures - 1, 10), self._longest_wait)

    def _pause_for_rate(self) -> float | None:
        """How long to wait, after so many mails in a minute."""
        if len(self._attempted_at) < (self._attempted_at.maxlen or 0):
            return None
        pause = self._attempted_at[0] + _MINUTE - asyncio.get_running_loop().time()
        return pause if pause > 0 else None


def _log_bug(error: Exception) -> None:
    logger.critical("a bug: %s", in_words(error), extra={"fields": {"places": places(error.__traceback__)}})


def _wait(attempts: int) -> timedelta:
    """10 s after the first attempt, then three times as long after each."""
    factor: int = 3 ** min(attempts - 1, 6)
    return min(_FIRST_WAIT * factor, _LONGEST_WAIT)
