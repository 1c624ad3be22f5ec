"""What a service that trusts this one does: verify an access token by the published keys, with two libraries."""

import sys

import httpx
import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

ISSUER = "wutang-auth"
AUDIENCE = "wutang"


def by_pyjwt(token: str, jwks_url: str) -> str:
    """The subject, as PyJWT sees it."""
    key = jwt.PyJWKClient(jwks_url).get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)
    return str(claims["sub"])


def by_joserfc(token: str, jwks_url: str) -> str:
    """The subject, as joserfc sees it."""
    keys = KeySet.import_key_set(httpx.get(jwks_url).raise_for_status().json())
    decoded = joserfc_jwt.decode(token, keys, algorithms=["ES256"])
    rules = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}
    )
    rules.validate(decoded.claims)
    assert decoded.header["typ"] == "at+jwt"
    return str(decoded.claims["sub"])


def main(base_url: str, email: str, password: str) -> None:
    """Log in, and look at the token from outside."""
    jwks_url = f"{base_url}/.well-known/jwks.json"
    login = httpx.post(f"{base_url}/api/auth/login", json={"email": email, "password": password})
    token = login.raise_for_status().json()["data"]["access_token"]
    subject = by_pyjwt(token, jwks_url)
    assert by_joserfc(token, jwks_url) == subject
    print(f"PyJWT and joserfc: the token is user {subject}'s")


if __name__ == "__main__":
    main(*sys.argv[1:])
