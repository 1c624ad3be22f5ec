"""Second factors of others: looked at by operators, taken away where a phone and its recovery codes are gone."""

from wutang_auth import audit
from wutang_auth.repository import FactorRecord, TotpRepository
from wutang_auth.response_codes import Language
from wutang_auth.service.auth import Caller
from wutang_auth.service.freshness import FreshnessService


class FactorAdministration:
    """What administrators and operators do with them."""

    def __init__(
        self, totps: TotpRepository, *, mail_language: Language | None, freshness: FreshnessService | None = None
    ) -> None:
        """`mail_language` is that of notices; None: mail is off. Without `freshness` only operators are served."""
        self._totps = totps
        self._mail_language = mail_language
        self._freshness = freshness

    async def factors_of(self, user_id: int) -> FactorRecord:
        """What a user has.

        Raises:
            NotFound: there is no such user.
        """
        return await self._totps.list(user_id)

    async def reset_factors(self, actor: Caller | None, user_id: int) -> None:
        """Take every second factor from a user; its sessions end. `actor` is who does it, None for an operator.

        Raises:
            NotFresh: the actor's last proof of who it is lies too far back.
            NotFound: there is no such user.
            ScopeNotHeld: the user has a scope that the actor has not.
        """
        if actor is not None and self._freshness is not None:
            await self._freshness.ensure(actor)
        held = None if actor is None else actor.user.scopes
        await self._totps.reset(user_id, held=held, notify_in=self._mail_language)
        audit.record("factors_reset", user_id=user_id, actor_id=None if actor is None else actor.user.id)
