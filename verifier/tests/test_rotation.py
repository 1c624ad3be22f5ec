"""Keys rotate while tokens live: nobody is refused for it, and what was dropped is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from support.publishing import AskedAgain, Publisher
from wutang_auth_verifier import InvalidToken, Verifier


def test_no_live_token_is_refused_while_keys_rotate(
    publisher: Publisher, verifier: Verifier, asked_again: AskedAgain
) -> None:
    tokens = [publisher.issue()]
    for _ in range(4):
        asked_again()  # services rotate to a key that was published for so long at least
        publisher.ring = publisher.ring.rotated(datetime.now(UTC), force=True)
        tokens.append(publisher.issue())
        for token in tokens:
            verifier.verify(token)
    asked_again()
    for token in tokens:
        verifier.verify(token)


def test_a_token_seen_before_falls_with_its_key(
    publisher: Publisher, verifier: Verifier, asked_again: AskedAgain
) -> None:
    token = publisher.issue()
    verifier.verify(token)
    retired, now = publisher.ring.active.kid, datetime.now(UTC)
    publisher.ring = publisher.ring.rotated(now, force=True)
    asked_again()
    verifier.verify(token)
    publisher.ring = publisher.ring.without(retired, now + timedelta(days=1), longest_ttl=1)
    asked_again()
    with pytest.raises(InvalidToken):
        verifier.verify(token)
