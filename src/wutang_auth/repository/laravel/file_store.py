"""A cache store in files, such as `storage/framework/cache/data`."""

import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from wutang_auth.repository.laravel.blacklist import CacheEntry, timestamp
from wutang_auth.repository.laravel.source import SourceError

_SHA1 = re.compile("[0-9a-f]{40}")
_EXPIRY_DIGITS = 10
_MAX_VALUE = 4096  # bytes; one of the blacklist has some 50


async def file_entries(directory: Path) -> AsyncIterator[CacheEntry]:
    """All entries of the store, each file's name being the SHA-1 of its key.

    Raises:
        SourceError: the directory, or a part of it, cannot be read.
    """
    try:
        for path in _files(directory):
            try:
                with path.open("rb") as file:
                    content = file.read(_MAX_VALUE)
            except FileNotFoundError:  # the application has just forgotten it
                continue
            expires_at = content[:_EXPIRY_DIGITS].decode("latin-1")
            yield CacheEntry(bytes.fromhex(path.name), content[_EXPIRY_DIGITS:], timestamp(expires_at))
    except OSError as error:
        place = error.filename or directory
        raise SourceError(f"{place} cannot be read: {error.strerror}; run this as the application's user") from None


def _files(directory: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError) or error.filename == str(directory):
            raise error

    for parent, _, names in os.walk(directory, onerror=fail):
        yield from (Path(parent, name) for name in names if _SHA1.fullmatch(name))
