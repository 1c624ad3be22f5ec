"""What administrators and operators have mailed."""

from collections.abc import Callable

from wutang_auth import audit
from wutang_auth.repository import MailRepository, UserRepository
from wutang_auth.response_codes import Language
from wutang_auth.service.auth import Caller


class MailAdministration:
    """Mails that somebody else than their recipient asks for; they are not counted by the throttle."""

    def __init__(
        self,
        *,
        users: UserRepository,
        mails: MailRepository,
        language: Language,
        nudge: Callable[[], None] | None = None,
    ) -> None:
        """`nudge` tells the sender of this process, if there is one."""
        self._users = users
        self._mails = mails
        self._language = language
        self._nudge = nudge

    async def send_reset(self, actor: Caller | None, user_id: int) -> None:
        """Mail a user the link to a new password; nobody else chooses it (ASVS 5.0, 6.4.6).

        Raises:
            NotFound: there is no such user.
        """
        user = await self._users.get(user_id)
        await self._mails.write("reset", user.email, self._language, user_id=user_id)
        if self._nudge is not None:
            self._nudge()
        audit.record("reset_asked", user_id=user_id, actor_id=None if actor is None else actor.user.id)
