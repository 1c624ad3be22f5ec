"""argon2id by two libraries, each of which reads what the other wrote."""

from itertools import product

import pytest

from wutang_auth.passwords import argon2id
from wutang_auth.passwords.argon2id import Argon2id, PasslibArgon2id, SodiumArgon2id

LIBRARIES: list[Argon2id] = [PasslibArgon2id(), SodiumArgon2id()]
PASSWORDS = ["correct horse", "", "密码 \N{OCTOPUS}", "nul\0inside", "x" * 1024]


@pytest.mark.parametrize(("writer", "reader"), list(product(LIBRARIES, LIBRARIES)), ids=lambda it: type(it).__name__)
@pytest.mark.parametrize("password", PASSWORDS, ids=ascii)
def test_each_library_reads_what_the_other_wrote(writer: Argon2id, reader: Argon2id, password: str) -> None:
    stored = writer.hash(password)
    assert stored.startswith(argon2id.PREFIX)
    assert argon2id.is_ours(stored)
    assert reader.verify(password, stored)
    assert not reader.verify(password + "x", stored)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda it: type(it).__name__)
def test_each_hash_has_a_salt_of_its_own(library: Argon2id) -> None:
    assert len({library.hash("x") for _ in range(3)}) == 3


@pytest.mark.parametrize(
    "other",
    [
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
        "$argon2id$v=19$m=65536,t=2,p=1$" + "A" * 22 + "$" + "A" * 43,
        "$argon2i$v=19$m=19456,t=2,p=1$" + "A" * 22 + "$" + "A" * 43,
        "$2y$10$" + "." * 53,
        "",
    ],
)
def test_hashes_of_other_strength_and_form_are_not_ours(other: str) -> None:
    assert not argon2id.is_ours(other)


def test_the_fastest_is_one_of_them() -> None:
    assert argon2id.fastest().verify("x", LIBRARIES[0].hash("x"))
