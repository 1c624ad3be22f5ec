"""The key ring: its file, and how old its keys are."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wutang_auth.service.doctor.findings import Finding, look, well, wrong
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing, KeyRingError

_CHECK = "key ring"
_OLD = timedelta(days=400)
_TRAVELS = timedelta(minutes=5)  # so long caches of the JWK Set keep it, and copies to Kubernetes' pods take less
_UNKNOWN = datetime.fromtimestamp(0, UTC)


def check_key_file(path: Path, *, longest_ttl: timedelta, now: datetime) -> tuple[KeyRing | None, list[Finding]]:
    """The ring, if the file can be used, and what was found.

    Args:
        path: The file.
        longest_ttl: How long a token may live.
        now: The time.
    """
    try:
        ring = key_file.load(path)
        mode = path.stat().st_mode
    except KeyRingError as error:
        return None, [wrong(_CHECK, str(error))]
    found = [*_readers(path, mode), *check_keys(ring, longest_ttl=longest_ttl, now=now)]
    if not any(finding.verdict == "wrong" for finding in found):
        found.insert(0, well(_CHECK, f"{ring.active.alg} key {ring.active.kid} signs, {_age(_signs_since(ring), now)}"))
    return ring, found


def check_keys(ring: KeyRing, *, longest_ttl: timedelta, now: datetime) -> Iterator[Finding]:
    """Look at the ages of the keys."""
    if ring.active.alg == "HS256":
        yield look(
            _CHECK,
            "the key is a shared secret (HS256): no other service can verify tokens by it, nor follow revocations",
            "`wutang-auth keys drop` the next key, `keys generate --next --alg ES256`, then `keys rotate`",
        )
    if now - _signs_since(ring) > _OLD and _signs_since(ring) != _UNKNOWN:
        yield look(_CHECK, f"it signs {_age(_signs_since(ring), now)}", "`wutang-auth keys rotate`")
    following = next((key for key in ring.keys if key.state == "next"), None)
    if following is None:
        yield look(_CHECK, "there is no next key to rotate to", "`wutang-auth keys generate --next`")
    elif now - following.created_at < _TRAVELS:
        yield look(
            _CHECK,
            f"the ring changed {_seconds(now - following.created_at)} s ago; copies of it may be on their way",
            "rotate with `--picked-up SECONDS`, the time that they take",
        )
    for key in ring.keys:
        if key.state == "retired" and key.retired_at is not None and key.retired_at + longest_ttl < now:
            yield look(_CHECK, f"nothing that {key.kid} signed can still live", f"`wutang-auth keys drop {key.kid}`")
        if key.created_at > now + timedelta(minutes=1):
            yield wrong(
                _CHECK,
                f"the key {key.kid} was made {_seconds(key.created_at - now)} s in the future",
                "compare the clock of this machine with that of the one where keys are made",
            )


def _readers(path: Path, mode: int) -> Iterator[Finding]:
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        yield wrong(_CHECK, f"{path} can be read by every user of this machine", f"chmod 600 {path}")


def _signs_since(ring: KeyRing) -> datetime:
    """The active key began when the one before it was retired; the first one, when it was made."""
    return max((key.retired_at for key in ring.keys if key.retired_at is not None), default=ring.active.created_at)


def _age(since: datetime, now: datetime) -> str:
    return "for how long is not known" if since == _UNKNOWN else f"for {_days(now - since)}"


def _days(age: timedelta) -> str:
    return f"{age.days} day{'' if age.days == 1 else 's'}" if age.days > 0 else "less than a day"


def _seconds(age: timedelta) -> int:
    return max(round(age.total_seconds()), 0)
