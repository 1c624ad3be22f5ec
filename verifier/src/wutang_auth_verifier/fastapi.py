"""A dependency of FastAPI; nothing else here imports FastAPI."""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer

from wutang_auth_verifier import Identity, StaleView, VerificationError, Verifier

_REALM = 'Bearer realm="wutang-auth"'
_documented = HTTPBearer(bearerFormat="JWT", auto_error=False)  # for the OpenAPI document; what it reads is not used


def require_user(
    verifier: Verifier, *, scopes: Iterable[str] = (), amr: Iterable[str] = (), max_age: int | None = None
) -> Callable[..., Awaitable[Identity]]:
    """Let in who has all these scopes and proofs (RFC 8176), so fresh; else 401, 403 (RFC 6750, RFC 9470) or 503."""
    needed, methods = ([given] if isinstance(given, str) else list(given) for given in (scopes, amr))

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
        is_old = max_age is not None and identity.claims.get("auth_time", 0) + max_age <= time.time()
        if not identity.scopes.issuperset(needed):
            challenge = f'error="insufficient_scope", scope="{" ".join(needed)}"'
        elif is_old or not set(methods) <= set(identity.claims.get("amr", ())):
            challenge = 'error="insufficient_user_authentication"' + (f', max_age="{max_age}"' if max_age else "")
        else:
            return identity
        raise HTTPException(403, "Forbidden.", {"WWW-Authenticate": f"{_REALM}, {challenge}"})

    return user
