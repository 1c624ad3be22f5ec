"""What a running Laravel application holds: read as it is at one time, never written."""

from wutang_auth.repository.laravel.blacklist import CacheEntry, Finding, finding
from wutang_auth.repository.laravel.opening import is_url, open_blacklist, open_database
from wutang_auth.repository.laravel.source import Row, Source, SourceError

__all__ = [
    "CacheEntry",
    "Finding",
    "Row",
    "Source",
    "SourceError",
    "finding",
    "is_url",
    "open_blacklist",
    "open_database",
]
