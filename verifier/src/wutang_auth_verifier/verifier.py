"""Verifies tokens in memory, while a thread of its own keeps the view of who has logged out."""

import logging
import os
import threading
import time
from typing import Self
from weakref import WeakSet

import httpx

from wutang_auth_verifier.errors import RevokedToken, StaleView
from wutang_auth_verifier.gate import Identity
from wutang_auth_verifier.view import Reader, View

_TIMEOUT_SECONDS = 5.0  # of each step of a request, and of what waits for the thread
_LOG = logging.getLogger("wutang_auth_verifier")
_RUNNING: "WeakSet[Verifier]" = WeakSet()
if hasattr(os, "register_at_fork"):  # a fork has no thread but the one that forked
    os.register_at_fork(after_in_child=lambda: list(map(Verifier.launch, _RUNNING)))


class Verifier:
    """Verifies the access tokens that the service at `base_url` issues for `audience`.

    Everything is refused once its last good answer is `max_staleness` seconds old. All threads may share one.
    """

    def __init__(
        self, base_url: str, *, issuer: str, audience: str, poll_seconds: float = 2.0, max_staleness: float = 30.0
    ) -> None:
        if httpx.URL(base_url).scheme not in ("https", "http") or min(poll_seconds, max_staleness) <= 0:
            raise ValueError("base_url begins with https:// or http://, and both numbers of seconds are above 0")
        self._base_url, self._names = base_url, (issuer, audience)
        self._poll_seconds, self._max_staleness = poll_seconds, max_staleness
        self._view: View | None = None

    def start(self) -> Self:
        """Follow the service from now on. Return once it was asked, whatever it said, or after 5 s."""
        if self not in _RUNNING:
            _RUNNING.add(self)
            self.launch()
            self._asked.wait(_TIMEOUT_SECONDS)
        return self

    def close(self) -> None:
        """Follow it no longer; from now on everything is refused."""
        if self in _RUNNING:
            _RUNNING.discard(self)
            self._closing.set()
            self._thread.join(_TIMEOUT_SECONDS)
        self._view = None

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.close()

    def verify(self, token: str) -> Identity:
        """Whose access token it is; reads memory only.

        Raises:
            InvalidToken, ExpiredToken, RevokedToken: nobody's, for this audience and now.
            StaleView: what is known of logouts is too old.
        """
        view, now = self._view, time.time()
        # SECURITY: by both clocks, since one stands still while a machine sleeps, and the other can be set back
        if view is None or now >= view.expires_at or time.monotonic() >= view.good_until:
            raise StaleView("what is known of logouts is too old")
        identity = view.gate.read(token, now)
        if identity.session_id in view.sessions or identity.claims["iat"] <= view.users.get(identity.user_id, -1):
            raise RevokedToken("revoked")
        return identity

    def launch(self) -> None:
        """Start the thread, as `start` does, and every fork."""
        self._closing, self._asked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="wutang-auth-verifier", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        closing, next_at, is_failing = self._closing, 0.0, False
        with httpx.Client(base_url=self._base_url, timeout=_TIMEOUT_SECONDS) as client:
            reader = Reader(client, *self._names)
            while not closing.wait(min(max(next_at - time.monotonic(), 0), 1)):  # after 1 s early, where a key lacks
                if time.monotonic() < next_at and not reader.gate.lacks_key:
                    continue
                next_at = time.monotonic() + self._poll_seconds
                try:
                    view = reader.read(self._max_staleness)
                    self._view, is_failing = None if closing.is_set() else view, False
                except Exception as error:  # noqa: BLE001 -- no answer ends the thread; without good ones all is refused
                    level, is_failing = logging.DEBUG if is_failing else logging.WARNING, True
                    reason = str(error) or "no good answer"
                    _LOG.log(level, "cannot learn from %s who has logged out: %s", self._base_url, reason)
                self._asked.set()
