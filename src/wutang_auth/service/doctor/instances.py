"""Running instances, asked over HTTP: whether they serve, by which keys, and by what time."""

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from wutang_auth.errors import in_words
from wutang_auth.service.doctor.findings import Finding, or_well, wrong
from wutang_auth.settings import PREFIX
from wutang_auth.tokens.key_ring import KeyRing

_SECONDS = 5.0
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    ahead: timedelta
    """How far the instance's clock is ahead of ours, to within a second; negative: behind."""


def check_instance(url: str, ring: KeyRing | None, *, skew: timedelta) -> list[Finding]:
    """Compare one instance with this ring and this machine's clock.

    Args:
        url: Where it is, such as `http://10.0.0.5:8000`.
        ring: The ring of the settings; None: it cannot be used.
        skew: By how much the clocks of two instances may differ.
    """
    try:
        ready, keys = _ask(f"{url}/readyz"), _ask(f"{url}/.well-known/jwks.json")
        found = list(_of_instance(url, ready, keys, ring, skew))
    except OSError as error:
        why = "TLS failed" if isinstance(error, ssl.SSLError) else in_words(error)
        return [wrong("instances", f"{url} cannot be reached: {why}", "start it, or correct the URL")]
    except (HTTPException, ValueError, LookupError, TypeError, AttributeError):
        return [wrong("instances", f"{url} does not answer as an instance of this service", "correct the URL")]
    return or_well(found, "instances", f"{url} serves with the same keys, by the same time")


def _of_instance(url: str, ready: _Answer, keys: _Answer, ring: KeyRing | None, skew: timedelta) -> Iterator[Finding]:
    if ready.status != 200:
        reason = json.loads(ready.body).get("reason", "no reason given")
        yield wrong("instances", f"{url} is not ready: {reason}", "see its log")
    published = {key["kid"] for key in json.loads(keys.body)["keys"]}
    own = {key["kid"] for key in ring.jwks()["keys"]} if ring is not None else set()
    if own and published != own:
        differences = [
            *(f"lacks {kid}" for kid in sorted(own - published)),
            *(f"has {kid}" for kid in sorted(published - own)),
        ]
        yield wrong(
            "instances",
            f"{url} has another key ring: it {', '.join(differences)}",
            "copy the ring to every instance, and rotate with `--picked-up SECONDS`, the time that copies take",
        )
    if abs(ready.ahead) > skew + timedelta(seconds=1):
        way = "ahead of" if ready.ahead > timedelta(0) else "behind"
        yield wrong(
            "instances",
            f"{url} is {abs(ready.ahead).total_seconds():.0f} s {way} this machine",
            f"synchronize both (chrony, systemd-timesyncd): {PREFIX}CLOCK_SKEW allows {skew.total_seconds():.0f} s",
        )


def _ask(url: str) -> _Answer:
    """What it answers.

    Raises:
        OSError: nothing.
        HTTPException: not by HTTP.
        ValueError: without a time.
    """
    # the instance itself is meant, whatever proxy the environment names for other purposes
    opener = build_opener(ProxyHandler({}))
    before = time.time()
    try:
        response = opener.open(url, timeout=_SECONDS)
    except HTTPError as error:
        response = error
    except URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error from None
    with closing(response):
        told = parsedate_to_datetime(response.headers["Date"] or "")
        middle = (before + time.time()) / 2
        return _Answer(response.status, response.read(_MOST_BYTES), timedelta(seconds=told.timestamp() + 0.5 - middle))
