"""A dependency of FastAPI; nothing else here imports FastAPI."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer

from wutang_auth_verifier import Identity, StaleView, VerificationError, Verifier

_REALM = 'Bearer realm="wutang-auth"'
_documented = HTTPBearer(bearerFormat="JWT", auto_error=False)  # for the OpenAPI document; what it reads is not used


def require_user(verifier: Verifier, *, scopes: Iterable[str] = ()) -> Callable[..., Awaitable[Identity]]:
    """Let in whoever holds a good access token with all these scopes; else 401, 403 (RFC 6750 section 3) or 503."""
    needed = [scopes] if isinstance(scopes, str) else list(scopes)

    async def user(request: Request, _: Annotated[object, Depends(_documented)]) -> Identity:
        # SECURITY: two headers make no token together
        scheme, _, token = ",".join(request.headers.getlist("Authorization")).partition(" ")
        if scheme.lower() != "bearer":
            raise HTTPException(401, "Unauthenticated.", {"WWW-Authenticate": _REALM})
        try:
            identity = verifier.verify(token.strip(" "))
        except StaleView:
            raise HTTPException(503, "Unavailable.", {"Retry-After": "2"}) from None
        except VerificationError:
            challenge = f'{_REALM}, error="invalid_token"'
            raise HTTPException(401, "Unauthenticated.", {"WWW-Authenticate": challenge}) from None
        if not identity.scopes.issuperset(needed):
            challenge = f'{_REALM}, error="insufficient_scope", scope="{" ".join(needed)}"'
            raise HTTPException(403, "Forbidden.", {"WWW-Authenticate": challenge})
        return identity

    return user
