"""Where nothing fresh is known everything is refused, and nothing that goes wrong lasts."""

import logging
import threading
import time
from datetime import UTC, datetime

import pytest

from support.publishing import KEYS, REVOCATIONS, Answer, Follow, Publisher, eventually
from wutang_auth_verifier import InvalidToken, StaleView, Verifier


def passes(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except (StaleView, InvalidToken):
        return False
    return True


def test_before_the_start_and_after_the_end_everything_is_refused(publisher: Publisher) -> None:
    verifier = Verifier(publisher.base_url, issuer="wutang-auth", audience="wutang")
    token = publisher.issue()
    for text in (token, "nonsense"):
        with pytest.raises(StaleView):
            verifier.verify(text)
    with verifier:
        assert verifier.start() is verifier
        verifier.verify(token)
        assert [thread.name for thread in threading.enumerate()].count("wutang-auth-verifier") == 1
    with pytest.raises(StaleView):
        verifier.verify(token)
    verifier.close()
    with verifier:
        verifier.verify(token)


def test_a_service_that_is_away_at_the_start_is_waited_for(publisher: Publisher, follow: Follow) -> None:
    publisher.answer = lambda _path: (503, {"Retry-After": "1"}, b"")
    begun = time.monotonic()
    verifier, token = follow(), publisher.issue()
    assert time.monotonic() - begun < 4
    assert not passes(verifier, token)
    publisher.answer = lambda _path: None
    eventually(lambda: passes(verifier, token))


@pytest.mark.parametrize("path", [KEYS, REVOCATIONS])
@pytest.mark.parametrize(
    "answer",
    [
        (503, {}, b""),
        (404, {}, b""),
        (304, {}, b""),
        (204, {}, b""),
        (200, {}, b""),
        (200, {}, b"<html>"),
        (200, {}, b"\xff\xfe"),
        (200, {}, b"[" * 100_000),
        (200, {}, b'{"keys": 1}'),
        (200, {"Content-Encoding": "gzip"}, b"no gzip"),
        (302, {"Location": KEYS}, b""),
        (308, {"Location": REVOCATIONS}, b""),
    ],
    ids=str,
)
def test_an_answer_that_is_none_makes_the_view_stale_and_a_good_one_fresh(
    publisher: Publisher, follow: Follow, path: str, answer: Answer
) -> None:
    verifier, token = follow(max_staleness=0.3), publisher.issue()
    assert passes(verifier, token)
    publisher.answer = lambda asked: answer if asked.startswith(path) else None
    eventually(lambda: not passes(verifier, token))
    with pytest.raises(StaleView):
        verifier.verify("nonsense")
    publisher.answer = lambda _path: None
    eventually(lambda: passes(verifier, token))


def test_an_answer_without_end_is_cut_off(
    publisher: Publisher, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wutang_auth_verifier.view._MAX_BYTES", 2**20)
    publisher.answer = lambda path: (200, {}, b"a" * 2**21) if path.startswith(REVOCATIONS) else None
    with pytest.raises(StaleView):
        follow().verify(publisher.issue())


def test_an_answer_that_trickles_is_cut_off(
    publisher: Publisher, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wutang_auth_verifier.view._MAX_SECONDS", -1)  # as if that had passed
    with pytest.raises(StaleView):
        follow().verify(publisher.issue())


def test_an_unchanged_document_is_confirmed_only_until_it_expires(publisher: Publisher, follow: Follow) -> None:
    """It says 304 for ever; the document that it confirms lives on for 33 s, of which 30 are no time to confirm it."""
    verifier = follow()
    eventually(lambda: any(asked.startswith("304") for asked in publisher.asked))
    assert passes(verifier, publisher.issue())
    publisher.claims = {"exp": int(time.time()) + 33}
    publisher.revoked.append("11111111-2222-4333-8444-555555555555")
    eventually(lambda: publisher.asked[-1].startswith("304"))
    eventually(lambda: publisher.asked[-1] == f"200 {REVOCATIONS}?after=1")
    publisher.answer = lambda path: (304, {}, b"") if path.startswith(REVOCATIONS) else None
    view = verifier._view
    assert view is not None
    assert view.expires_at == publisher.claims["exp"]


def test_a_document_past_its_time_says_nothing_however_fresh_the_answer(publisher: Publisher, follow: Follow) -> None:
    publisher.claims = {"exp": int(time.time()) + 4}
    verifier, token = follow(), publisher.issue()
    assert passes(verifier, token)
    eventually(lambda: not passes(verifier, token))
    publisher.claims = {}
    eventually(lambda: passes(verifier, token))


def test_an_unknown_key_is_looked_for_early_but_not_at_each_token(publisher: Publisher, follow: Follow) -> None:
    verifier = follow(poll_seconds=300, max_staleness=600)
    before = len(publisher.asked)
    now = datetime.now(UTC)
    publisher.ring = publisher.ring.rotated(now, force=True).rotated(now, force=True)
    token = publisher.issue()
    for _ in range(100):
        with pytest.raises(InvalidToken):
            verifier.verify(token)
    eventually(lambda: passes(verifier, token))
    assert len(publisher.asked) - before <= 4


def test_the_log_tells_once_what_is_wrong(
    publisher: Publisher, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.answer = lambda _path: (503, {}, b"")
    with caplog.at_level(logging.INFO, "wutang_auth_verifier"):
        follow()
        eventually(lambda: len(publisher.asked) > 5)
    [line] = [record.getMessage() for record in caplog.records if record.name == "wutang_auth_verifier"]
    assert line == (
        f"cannot learn from {publisher.base_url} who has logged out: /.well-known/jwks.json was answered with 503"
    )


@pytest.mark.parametrize(
    "changes",
    [{"base_url": "auth.example"}, {"base_url": "ftp://auth.example"}, {"poll_seconds": 0}, {"max_staleness": -1}],
    ids=str,
)
def test_what_makes_no_sense_is_refused_at_once(changes: dict[str, object]) -> None:
    given = {"base_url": "https://auth.example", "issuer": "a", "audience": "b", **changes}
    with pytest.raises(ValueError, match="base_url begins with https"):
        Verifier(given.pop("base_url"), **given)  # type: ignore[arg-type]
