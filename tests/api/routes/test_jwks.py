"""The public keys: what others need to verify tokens, and nothing else."""

from dataclasses import replace
from pathlib import Path

import joserfc.jwk
import jwt
import pytest

from support.services import Instance, Start
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import Algorithm, KeyRing

PATH = "/.well-known/jwks.json"


async def test_jwks_is_public_and_cacheable(shared_service: Instance) -> None:
    response = await shared_service.client.get(PATH)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/jwk-set+json"
    assert response.headers["cache-control"] == "public, max-age=300"
    assert set(response.json()) == {"keys"}
    head = await shared_service.client.head(PATH)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
async def test_jwks_holds_the_public_keys_of_every_state(start: Start, tmp_path: Path, alg: Algorithm) -> None:
    active, following = KeyRing.generate(alg).keys
    retired = replace(KeyRing.generate(alg).active, state="retired")
    key_file.save(KeyRing((retired, active, following)), tmp_path / "keys.json")
    service = await start(keys_file=tmp_path / "keys.json")
    keys = (await service.client.get(PATH)).json()["keys"]
    assert [key["kid"] for key in keys] == [retired.kid, active.kid, following.kid]
    members = {"ES256": {"crv", "x", "y"}, "RS256": {"n", "e"}}[alg]
    for key in keys:
        assert set(key) == {"kty", "use", "alg", "kid"} | members
        assert (key["use"], key["alg"]) == ("sig", alg)
        assert joserfc.jwk.import_key(key).thumbprint() == key["kid"]
        assert jwt.PyJWK.from_dict(key).key_id == key["kid"]


async def test_shared_secrets_are_never_published(start: Start, tmp_path: Path) -> None:
    secret, public = KeyRing.generate("HS256").active, KeyRing.generate("ES256").keys[1]
    key_file.save(KeyRing((secret, public)), tmp_path / "keys.json")
    service = await start(keys_file=tmp_path / "keys.json")
    response = await service.client.get(PATH)
    assert [key["kid"] for key in response.json()["keys"]] == [public.kid]
    assert secret.members["k"] not in response.text
    assert secret.kid not in response.text  # the thumbprint of a secret is a way to test guesses
