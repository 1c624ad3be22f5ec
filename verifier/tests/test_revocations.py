"""Who has logged out is learnt, is not forgotten, and counts for exactly the tokens that it concerns."""

import time
from uuid import uuid4

import pytest

from support.publishing import REVOCATIONS, AskedAgain, Follow, Publisher
from support.tampering import stranger
from support.tokens import Forge, claims_of
from wutang_auth.tokens.key_ring import KeyRing
from wutang_auth_verifier import RevokedToken, StaleView, Verifier


def of_revocations(publisher: Publisher) -> list[str]:
    return [asked for asked in publisher.asked if REVOCATIONS in asked]


def test_a_session_that_has_ended_is_refused_and_no_other(
    publisher: Publisher, verifier: Verifier, asked_again: AskedAgain
) -> None:
    ended, other = uuid4(), publisher.issue()
    token = publisher.issue(session_id=ended)
    verifier.verify(token)
    publisher.revoked.append(str(ended))
    asked_again()
    for _ in range(2):
        with pytest.raises(RevokedToken):
            verifier.verify(token)
        verifier.verify(other)


def test_a_user_s_tokens_are_refused_up_to_that_second(
    publisher: Publisher, verifier: Verifier, asked_again: AskedAgain
) -> None:
    token = publisher.issue(user_id=4711)
    issued_at = claims_of(token)["iat"]
    publisher.revoked.append((4711, issued_at))
    asked_again()
    publisher.revoked.append((4711, issued_at - 100))  # an older one takes nothing back
    asked_again()
    with pytest.raises(RevokedToken):
        verifier.verify(token)
    forge = Forge(publisher.ring.active)
    with pytest.raises(RevokedToken):
        verifier.verify(forge.changed(token, iat=issued_at - 1))
    verifier.verify(forge.changed(token, iat=issued_at + 1))
    verifier.verify(publisher.issue(user_id=471))


def test_only_news_are_asked_for_and_nothing_heard_is_forgotten(
    publisher: Publisher, follow: Follow, asked_again: AskedAgain
) -> None:
    sessions = [uuid4() for _ in range(5)]
    tokens = [publisher.issue(session_id=session) for session in sessions]
    publisher.revoked.append(str(sessions[0]))
    verifier = follow()
    for number, session in enumerate(sessions[1:], 2):
        publisher.revoked.append(str(session))
        asked_again()
        for token in tokens[:number]:
            with pytest.raises(RevokedToken):
                verifier.verify(token)
    asked_again()  # the last news have come by now, and there are no more
    asked = of_revocations(publisher)
    assert asked[0] == f"200 {REVOCATIONS}"
    assert all("after=" in path for path in asked[1:])
    assert f"304 {REVOCATIONS}?after=5" in asked


def test_repeated_and_unknown_cursors_lose_nothing(
    publisher: Publisher, verifier: Verifier, asked_again: AskedAgain
) -> None:
    first, second = uuid4(), uuid4()
    tokens = [publisher.issue(session_id=session) for session in (first, second)]
    publisher.revoked.append(str(first))
    publisher.claims = {"next": "0"}  # the same again, each time
    asked_again()
    publisher.claims = {"next": "nobody knows it"}
    asked_again()
    publisher.revoked.append(str(second))
    asked_again()
    for token in tokens:
        with pytest.raises(RevokedToken):
            verifier.verify(token)


def test_what_no_longer_matters_is_forgotten_but_not_what_a_replica_may_not_have_heard_yet(
    publisher: Publisher, follow: Follow, asked_again: AskedAgain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is asked for again from time to time; here each time."""
    monkeypatch.setattr("wutang_auth_verifier.view._RELOAD_SECONDS", 0)
    session = uuid4()
    token = publisher.issue(session_id=session)
    publisher.revoked += [str(session), (1, int(time.time()))]
    verifier = follow()
    publisher.revoked.clear()
    asked_again()
    with pytest.raises(RevokedToken):
        verifier.verify(token)
    monkeypatch.setattr("wutang_auth_verifier.view._LAG_SECONDS", -10)
    asked_again()
    verifier.verify(token)
    assert set(of_revocations(publisher)) == {f"200 {REVOCATIONS}"}


def test_a_service_without_entity_tags_will_do(publisher: Publisher, follow: Follow, asked_again: AskedAgain) -> None:
    publisher.with_etag = False
    verifier, session = follow(), uuid4()
    token = publisher.issue(session_id=session)
    publisher.revoked.append(str(session))
    asked_again()
    with pytest.raises(RevokedToken):
        verifier.verify(token)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://attacker.example"},
        {"iss": ...},
        {"exp": 1_700_000_000},
        {"exp": ...},
        {"exp": "tomorrow"},
        {"iat": 4_000_000_000},
        {"iat": ...},
        {"next": ...},
        {"sessions": ...},
        {"sessions": None},
        {"sessions": ["ABCDEF00-0000-4000-8000-000000000000"]},
        {"sessions": ["abcdef0000004000800000000000000a"]},
        {"sessions": [1]},
        {"users": ...},
        {"users": {"ada": 1}},
        {"users": {"1": "now"}},
        {"users": {"1": 1.5}},
        {"users": []},
    ],
    ids=str,
)
def test_a_document_that_cannot_be_read_is_none(
    publisher: Publisher, follow: Follow, claims: dict[str, object]
) -> None:
    publisher.claims = claims
    with pytest.raises(StaleView):
        follow().verify(publisher.issue())


@pytest.mark.parametrize(
    "header",
    [{"typ": "at+jwt"}, {"typ": "JWT"}, {"alg": "none"}, {"alg": "HS256"}, {"kid": "x"}, {"crit": ["exp"]}],
    ids=str,
)
def test_a_document_of_another_kind_is_none(publisher: Publisher, follow: Follow, header: dict[str, object]) -> None:
    publisher.header = header
    with pytest.raises(StaleView):
        follow().verify(publisher.issue())


def test_a_document_by_a_stranger_is_none(publisher: Publisher, follow: Follow) -> None:
    key = stranger()
    publisher.signer = KeyRing((key,))
    publisher.header = {"kid": publisher.ring.active.kid}
    with pytest.raises(StaleView):
        follow().verify(publisher.issue())


def test_no_document_is_an_access_token(publisher: Publisher, verifier: Verifier) -> None:
    publisher.claims = claims_of(publisher.issue())
    for typ in ("revocations+jwt", "at+jwt"):
        publisher.header = {"typ": typ}
        token = publisher.document(None)
        if typ == "at+jwt":  # what makes the difference
            verifier.verify(token)
        else:
            with pytest.raises(Exception, match="another type"):
                verifier.verify(token)
