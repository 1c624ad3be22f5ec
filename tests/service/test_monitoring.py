"""The ages of keys, as Prometheus reads them."""

from datetime import timedelta

from wutang_auth.service.monitoring import key_ages
from wutang_auth.tokens.key_ring import KeyRing


def test_the_oldest_key_of_each_state_and_use_counts() -> None:
    ring = KeyRing.generate()
    made = ring.active.created_at
    hour, day = timedelta(hours=1), timedelta(days=1)
    ring = ring.rotated(made + hour).rotated(made + 2 * hour, force=True).with_encryption()
    ages = key_ages(ring, made + day)
    assert set(ages) == {
        ("active", "sig"), ("next", "sig"), ("retired", "sig"), ("active", "enc"), ("next", "enc"),
    }  # fmt: skip
    assert ages["retired", "sig"] == day.total_seconds()
    assert all(0 < seconds <= day.total_seconds() for seconds in ages.values())
