"""Introspection: what other services are told of a token (RFC 7662)."""

from dataclasses import dataclass

from wutang_auth.errors import Unauthenticated
from wutang_auth.repository import UserRecord
from wutang_auth.service.auth import AuthService
from wutang_auth.tokens.access import Claims, Tokens


@dataclass(frozen=True, slots=True)
class Introspection:
    """A token that counts now, and whose it is."""

    claims: Claims
    document: dict[str, object]
    """All that the token says."""
    user: UserRecord


class IntrospectionService:
    """Tells other services whether a token counts."""

    def __init__(self, auth: AuthService, tokens: Tokens) -> None:
        self._auth = auth
        self._tokens = tokens

    async def introspect(self, token: str) -> Introspection | None:
        """What there is to tell of a token of either kind; None if it does not count, for whatever reason."""
        try:
            claims, session, user = await self._auth.find_live(token, ("access", "refresh"))
        except Unauthenticated:
            return None
        # SECURITY: a session that has yet to add its second factor is good for that alone
        if self._auth.lacks_factor(user.scopes, session.authentication.amr if session.authentication else ()):
            return None
        return Introspection(claims, self._tokens.document_of(token), user)
