"""Hashing and verifying passwords, by itself."""

import asyncio
import threading
import time
import unicodedata
from collections.abc import AsyncIterator

import pytest
from passlib.hash import argon2, bcrypt

from wutang_auth.passwords.hashing import Verdict, is_usable
from wutang_auth.passwords.workers import Passwords


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    made = Passwords(workers=2, queue=100)
    yield made
    made.close()


async def test_hash_is_argon2id_as_owasp_wants_and_salted(passwords: Passwords) -> None:
    hashes = [await passwords.hash("correct horse") for _ in range(3)]
    assert len(set(hashes)) == 3
    for stored in hashes:
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert (await passwords.verify("correct horse", stored)).matches
        assert not (await passwords.verify("correct horses", stored)).matches


async def test_composed_and_decomposed_passwords_are_one(passwords: Passwords) -> None:
    composed, decomposed = "motörhead 密码", unicodedata.normalize("NFD", "motörhead 密码")
    assert composed != decomposed
    for password in (composed, decomposed):
        stored = await passwords.hash(password)
        for sent in (composed, decomposed):
            assert (await passwords.verify(sent, stored)).matches


async def test_other_systems_hashed_what_was_sent(passwords: Passwords) -> None:
    decomposed = unicodedata.normalize("NFD", "motörhead")
    stored = bcrypt.using(rounds=4).hash(decomposed)
    assert (await passwords.verify(decomposed, stored)).matches


async def test_compatible_characters_are_not_one(passwords: Passwords) -> None:
    stored = await passwords.hash("password ①")
    assert not (await passwords.verify("password 1", stored)).matches


async def test_without_a_hash_the_answer_is_no_after_as_much_work(passwords: Passwords) -> None:
    stored = await passwords.hash("x")
    known = [await passwords.verify("wrong", stored) for _ in range(5)]
    unknown = [await passwords.verify("wrong", None) for _ in range(5)]
    assert not any(verdict.matches for verdict in known + unknown)
    assert min(verdict.cpu_seconds for verdict in unknown) > min(verdict.cpu_seconds for verdict in known) / 2


@pytest.mark.parametrize(
    ("stored", "is_outdated"),
    [
        (argon2.using(type="ID", memory_cost=19456, time_cost=2, parallelism=1).hash("x"), False),
        (argon2.using(type="ID", memory_cost=8192, time_cost=2, parallelism=1).hash("x"), True),
        (argon2.using(type="I", memory_cost=19456, time_cost=2, parallelism=1).hash("x"), True),
        (bcrypt.using(rounds=4, ident="2y").hash("x"), True),
        (bcrypt.using(rounds=4, ident="2b").hash("x"), True),
    ],
    ids=["ours", "less memory", "argon2i", "2y", "2b"],
)
async def test_outdated_hash_comes_with_its_successor(passwords: Passwords, stored: str, is_outdated: bool) -> None:
    verdict = await passwords.verify("x", stored, may_upgrade=True)
    assert verdict.matches
    assert (verdict.upgraded_hash is not None) == is_outdated
    if verdict.upgraded_hash is not None:
        assert verdict.upgraded_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert (await passwords.verify("x", verdict.upgraded_hash)).matches
    assert (await passwords.verify("x", stored)).upgraded_hash is None
    assert (await passwords.verify("wrong", stored, may_upgrade=True)).upgraded_hash is None


@pytest.mark.parametrize(
    "stored",
    [
        "x", "$", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$", "$2y$10$", "$2y$99$" + "." * 53, "$1$salt$hash",
        "5f4dcc3b5aa765d61d8327deb882cf99", "{SSHA}x", "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
        "$argon2id$v=19$m=65536,t=999999,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", "$2y$31$" + "." * 53,
        "$argon2d$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", "\x00", "é",
    ],
    ids=ascii,
)  # fmt: skip
async def test_unusable_hash_matches_nothing_in_good_time(passwords: Passwords, stored: str) -> None:
    assert not is_usable(stored)
    started = time.monotonic()
    assert not (await passwords.verify("x", stored)).matches
    assert time.monotonic() - started < 2


async def test_the_event_loop_goes_on_meanwhile(passwords: Passwords) -> None:
    """Hashing has threads of its own, and they let the loop pass."""
    verifying = asyncio.gather(*(passwords.verify("x", None) for _ in range(10)))
    longest = 0.0
    while not verifying.done():
        before = time.monotonic()
        await asyncio.sleep(0)
        longest = max(longest, time.monotonic() - before)
    await verifying
    assert longest < 0.5


async def test_no_more_threads_than_workers() -> None:
    passwords = Passwords(workers=3, queue=100)
    hashing = asyncio.gather(*(passwords.hash("x") for _ in range(40)))
    most = 0
    while not hashing.done():
        most = max(most, sum(thread.name.startswith("hash") for thread in threading.enumerate()))
        await asyncio.sleep(0.001)
    assert len(set(await hashing)) == 40
    assert most == 3
    passwords.close()


def test_nothing_shows_a_hash_or_a_password() -> None:
    verdict = Verdict(matches=True, seconds=0, cpu_seconds=0, upgraded_hash="$argon2id$canary")
    assert "canary" not in repr(verdict)
