"""A cache store in Redis."""

import time
from collections.abc import AsyncIterator
from typing import Any

from wutang_auth.repository.laravel.blacklist import CacheEntry, entry_of
from wutang_auth.repository.laravel.source import SourceError, in_system_words

try:
    from redis import RedisError
    from redis.asyncio import Redis
except ImportError:
    raise SourceError("the client of Redis is not installed; run pip install 'wutang-auth[redis]'") from None

_CONNECT_SECONDS = 10
_KEYS_AT_ONCE = 1000
# {prefixes}{SHA-1 of the tag, in hexadecimal}:{jti}
_MATCH = "*[0-9a-f]:" + "[A-Za-z0-9]" * 16


async def redis_entries(url: str, password: str | None) -> AsyncIterator[CacheEntry]:
    """All entries under a tag whose keys end in 16 letters and digits; some may come twice.

    SCAN takes a thousand keys at a time, so that nobody else waits, and sees each key that is there all the while.

    Raises:
        SourceError: Redis is away, refuses, or the URL is none of its own.
    """
    try:
        given: dict[str, Any] = {} if password is None else {"password": password}
        redis = Redis.from_url(url, socket_timeout=_CONNECT_SECONDS, socket_connect_timeout=_CONNECT_SECONDS, **given)
    except ValueError:
        raise SourceError("--from: must be a URL such as redis://:password@host:6379/1") from None
    try:
        cursor: int | None = None
        while cursor != 0:
            cursor, found = await redis.scan(cursor or 0, match=_MATCH, count=_KEYS_AT_ONCE)
            keys = [key for key in found if isinstance(key, bytes)]  # as they all are without decode_responses
            async with redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.get(key)
                    pipeline.ttl(key)
                answers = await pipeline.execute(raise_on_error=False)
            now = int(time.time())
            for key, value, seconds_left in zip(keys, answers[::2], answers[1::2], strict=True):
                if isinstance(value, bytes):  # else it went meanwhile, or is a list or the like
                    yield entry_of(key, value, str(now + seconds_left) if seconds_left > 0 else None)
    except RedisError as error:
        raise SourceError(f"Redis: {error}".partition("\n")[0].rstrip(".")) from None
    except OSError as error:
        raise SourceError(f"Redis: {in_system_words(error)}") from None
    finally:
        await redis.aclose()
