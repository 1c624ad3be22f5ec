"""What pages load: files that never change under their names, compressed once."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.header_values import accepts_gzip

MEDIA_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

# a URL holds a hash of the content, so what it names never changes
_IMMUTABLE: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a page."""

    content: bytes
    compressed: bytes
    media_type: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """The file at this path."""
        content = path.read_bytes()
        return cls(content, gzip.compress(content, mtime=0), MEDIA_TYPES[path.suffix])

    def answer(self, request: Request) -> Response:
        """The file, compressed for a client that takes it so."""
        headers = {"Cache-Control": _IMMUTABLE, "Vary": "Accept-Encoding"}
        if not accepts_gzip(request.headers.get("accept-encoding", "")):
            return Response(self.content, 200, headers, self.media_type)
        return Response(self.compressed, 200, {**headers, "Content-Encoding": "gzip"}, self.media_type)
