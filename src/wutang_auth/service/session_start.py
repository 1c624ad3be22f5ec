"""How sessions begin, whatever has proved who their users are: the first tokens, and what the audit trail says."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from wutang_auth import audit
from wutang_auth.context import request_context
from wutang_auth.fields import Authentication
from wutang_auth.repository import NewSession, StartedSession
from wutang_auth.tokens.access import TokenPair, Tokens


class SessionStart:
    """What is the same for every way to log in."""

    def __init__(self, tokens: Tokens, *, session_ttl: int, sessions_per_user: int, tells_proof: bool) -> None:
        """`tells_proof`: tokens and the audit trail say how users proved who they are."""
        self._tokens = tokens
        self._session_ttl = timedelta(seconds=session_ttl)
        self._sessions_per_user = sessions_per_user
        self._tells_proof = tells_proof

    def new(self) -> NewSession:
        """A session to be, for who sends the present request."""
        context = request_context.get()
        return NewSession(
            session_id=uuid4(),
            ttl=self._session_ttl,
            access_ttl=self._tokens.access_ttl,
            limit=self._sessions_per_user,
            ip=context.client_address,
            user_agent=context.user_agent,
        )

    def begun(self, user_id: int, new: NewSession, started: StartedSession, amr: Sequence[str]) -> TokenPair:
        """The first pair of a session that has begun; `amr` is by what its user proved who it is (RFC 8176)."""
        audit.record("login", user_id=user_id, session_id=new.session_id, amr=amr if self._tells_proof else ())
        for oldest in started.surplus:
            if oldest.was_live:
                audit.record("session_ended", user_id=user_id, session_id=oldest.id, reason="too many")
        return self._tokens.issue(
            user_id=user_id,
            session_id=new.session_id,
            generation=0,
            scopes=started.scopes,
            session_lifetime=self._session_ttl.total_seconds(),
            scopes_read_at=started.at,
            authentication=Authentication(started.at, 0.0, [*amr]) if self._tells_proof else None,
        )
