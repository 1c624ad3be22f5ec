"""Passwords in tests that are about something else."""

from collections.abc import Iterator
from functools import cache

import pytest

from wutang_auth.passwords.argon2id import fastest


@pytest.fixture(scope="module", autouse=True)
def remembered_comparisons() -> Iterator[None]:
    """Compare a password with a hash once: each time takes 40 ms of the processor, on purpose.

    Where a conftest.py imports it, all tests below do so, with services in this process; what is told stays the same.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastest(), "verify", cache(fastest().verify))
        yield
