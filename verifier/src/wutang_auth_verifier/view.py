"""What the service publishes: its keys, and who has logged out since."""

import json
import time
from typing import NamedTuple

import httpx

from wutang_auth_verifier.gate import CLOCK_SKEW, SESSION_ID, Gate

_MAX_BYTES = 2**25  # some 600,000 revocations
_MAX_SECONDS = 10.0  # for one answer
_RELOAD_SECONDS = 900.0  # all of it again after so long, so that what no longer matters goes
_LAG_SECONDS = 60.0  # no replica of the service is behind another by so long
_CONFIRM_SECONDS = 30.0  # a document that expires sooner is asked for again, not confirmed


class View(NamedTuple):
    """What tokens are verified by, until it is too old."""

    gate: Gate
    sessions: dict[str, float]  # have ended, and when that was heard
    users: dict[int, int]  # the second up to which the user's tokens are refused
    good_until: float  # by the monotonic clock
    expires_at: int  # of the document, in seconds since the epoch


class Reader:
    """Reads what is published, and keeps what it needs to ask for nothing but news."""

    def __init__(self, client: httpx.Client, issuer: str, audience: str) -> None:
        self._client, self._names = client, (issuer, audience)
        self._jwk_set, self.gate = b"", Gate({"keys": []}, issuer, audience)
        self._cursor = self._etag = ""
        self._expires_at, self._reload_at = 0, 0.0
        self._sessions, self._users = dict[str, float](), dict[int, int]()

    def read(self, max_staleness: float) -> View:
        """The view as it is now, to be used for so many seconds at most; any exception where none can be had."""
        asked_at = time.monotonic()
        _, _, jwk_set = self._get("jwks.json", {}, {})
        if jwk_set != self._jwk_set:
            self.gate, self._jwk_set = Gate(json.loads(jwk_set), *self._names), jwk_set
        self.gate.lacks_key = False
        if asked_at >= self._reload_at:
            self._cursor = self._etag = ""
        is_known = self._etag and time.time() < self._expires_at - _CONFIRM_SECONDS
        query = {"after": self._cursor} if self._cursor else {}
        status, etag, text = self._get("revocations", query, {"If-None-Match": self._etag} if is_known else {})
        if status != 304:
            self._take(text.decode(), etag, asked_at)
        return View(self.gate, self._sessions, self._users, asked_at + max_staleness, self._expires_at)

    def _take(self, text: str, etag: str, asked_at: float) -> None:
        document, now = self.gate.open(text, "revocations+jwt"), time.time()
        if not document["iat"] - CLOCK_SKEW <= now < document["exp"]:
            raise ValueError("the document is not of this time; do the clocks agree?")
        sessions, users = document["sessions"], {int(user): until for user, until in document["users"].items()}
        # SECURITY: what could not be compared with a token would revoke nothing
        if not all(map(SESSION_ID.fullmatch, sessions)) or not all(type(until) is int for until in users.values()):
            raise ValueError("the document has a revocation that cannot be read")
        if not self._cursor:  # all that matters, but for what this replica has not heard yet
            self._sessions = {session: at for session, at in self._sessions.items() if at > asked_at - _LAG_SECONDS}
            self._users = {user: until for user, until in self._users.items() if until > now - _LAG_SECONDS}
            self._reload_at = asked_at + _RELOAD_SECONDS
        self._sessions.update(dict.fromkeys(sessions, asked_at))
        self._users.update({user: max(until, self._users.get(user, 0)) for user, until in users.items()})
        self._etag = etag if document["next"] == self._cursor else ""  # which belongs to this very question
        self._cursor, self._expires_at = document["next"], document["exp"]

    def _get(self, name: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, str, bytes]:
        """The status, which is 200 or 304, the entity tag and the body."""
        path, deadline, body = f"/.well-known/{name}", time.monotonic() + _MAX_SECONDS, bytearray()
        with self._client.stream("GET", path, params=query, headers=headers) as answer:
            # SECURITY: a redirect is no answer either
            if answer.status_code != 200 and not (answer.status_code == 304 and headers):
                raise ValueError(f"{path} was answered with {answer.status_code}")
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _MAX_BYTES or time.monotonic() > deadline:
                    raise ValueError(f"{path} was answered with too much, or too slowly")
            return answer.status_code, answer.headers.get("ETag", ""), bytes(body)
