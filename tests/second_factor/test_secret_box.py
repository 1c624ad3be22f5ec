"""Secrets at rest."""

from dataclasses import replace

import pytest

from wutang_auth.errors import SecretUnreadable
from wutang_auth.second_factor.secret_box import SecretBox

KEYS = {"one": b"1" * 32, "two": b"2" * 32}
SECRET = b"12345678901234567890"


def box(kid: str | None = "one", keys: dict[str, bytes] = KEYS) -> SecretBox:
    made = SecretBox()
    made.use(kid, keys)
    return made


def test_a_secret_comes_back_and_is_never_encrypted_alike() -> None:
    sealed = [box().seal(SECRET, user_id=7) for _ in range(100)]
    assert len({one.content for one in sealed}) == 100
    assert {one.kid for one in sealed} == {"one"}
    assert {box("two").open(one, user_id=7) for one in sealed} == {SECRET}
    assert all(SECRET not in one.content for one in sealed)
    assert SECRET.decode() not in repr(sealed[0])


def test_it_is_opened_for_its_user_alone() -> None:
    with pytest.raises(SecretUnreadable, match="second factor of user 8 cannot be decrypted with the key one"):
        box().open(box().seal(SECRET, user_id=7), user_id=8)


@pytest.mark.parametrize("place", [0, 11, 12, 31, 32, 47])
def test_a_changed_bit_is_seen(place: int) -> None:
    sealed = box().seal(SECRET, user_id=7)
    changed = bytearray(sealed.content)
    changed[place] ^= 1
    with pytest.raises(SecretUnreadable, match="was changed"):
        box().open(replace(sealed, content=bytes(changed)), user_id=7)


@pytest.mark.parametrize("content", [b"", b"1" * 11, b"1" * 12, b"1" * 27])
def test_what_is_too_short_is_refused(content: bytes) -> None:
    with pytest.raises(SecretUnreadable, match="was changed"):
        box().open(replace(box().seal(SECRET, user_id=7), content=content), user_id=7)


def test_a_missing_key_is_named() -> None:
    sealed = box().seal(SECRET, user_id=7)
    with pytest.raises(SecretUnreadable, match="encrypted with the key one, which the key ring has not"):
        box("two", {"two": KEYS["two"]}).open(sealed, user_id=7)
    with pytest.raises(SecretUnreadable, match="keys generate --encryption"):
        box(None, {}).seal(SECRET, user_id=7)


def test_another_key_of_the_same_name_opens_nothing() -> None:
    with pytest.raises(SecretUnreadable):
        box(keys={"one": b"3" * 32}).open(box().seal(SECRET, user_id=7), user_id=7)


def test_what_a_retired_key_encrypted_is_outdated_and_what_the_next_one_did_is_not() -> None:
    sealed = {kid: box(kid).seal(SECRET, user_id=7) for kid in KEYS}
    later = SecretBox()
    later.use("two", KEYS, retired=["one"])
    assert (later.is_outdated(sealed["one"]), later.is_outdated(sealed["two"])) == (True, False)
    assert not box("one").is_outdated(sealed["two"])
