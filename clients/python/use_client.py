"""What a user of the generated client writes: log in, ask who one is, refresh, log out, be refused."""

import sys

from wutang_client import AuthenticatedClient, Client
from wutang_client.api.auth import login, logout, me, refresh
from wutang_client.models import (
    EmptyEnvelope,
    ErrorEnvelope,
    LoginBody,
    MeBody,
    MeEnvelope,
    ResponseCode,
    TokenPairBody,
    TokenPairEnvelope,
)


def who(base_url: str, access_token: str) -> MeBody:
    """The user of a token."""
    answer = me.sync(client=AuthenticatedClient(base_url=base_url, token=access_token))
    assert isinstance(answer, MeEnvelope), answer
    return answer.data


def pair(answer: object) -> TokenPairBody:
    """The tokens of an answer that must have some."""
    assert isinstance(answer, TokenPairEnvelope), answer
    assert answer.code is ResponseCode.OK
    return answer.data


def main(base_url: str, email: str, password: str) -> None:
    """Use the client."""
    first = pair(login.sync(client=Client(base_url=base_url), body=LoginBody(email=email, password=password)))
    user = who(base_url, first.access_token)
    assert user.email == email
    assert user.created_at.tzinfo is not None

    assert first.refresh_token is not None  # it is null only where the login asked for a cookie
    second = pair(refresh.sync(client=AuthenticatedClient(base_url=base_url, token=first.refresh_token)))
    assert second.access_token != first.access_token
    assert who(base_url, second.access_token).id == user.id

    client = AuthenticatedClient(base_url=base_url, token=second.access_token)
    assert isinstance(logout.sync(client=client), EmptyEnvelope)
    refused = me.sync(client=client)
    assert isinstance(refused, ErrorEnvelope), refused
    assert refused.code is ResponseCode.FORBIDDEN
    print(f"openapi-python-client: {user.name} came, stayed and went")


if __name__ == "__main__":
    main(*sys.argv[1:])
