"""What a user of openapi-generator's Python client writes: log in, ask who one is, refresh, log out, be refused."""

import sys

from wutang_openapi import ApiClient, AuthApi, Configuration, LoginBody
from wutang_openapi.exceptions import UnauthorizedException


def api(base_url: str, token: str | None = None) -> AuthApi:
    """The routes, for whoever has this token."""
    return AuthApi(ApiClient(Configuration(host=base_url, access_token=token)))


def is_refused(client: AuthApi) -> bool:
    """Whether its token opens nothing."""
    try:
        client.me()
    except UnauthorizedException:
        return True
    return False


def main(base_url: str, email: str, password: str) -> None:
    """Use the client."""
    first = api(base_url).login(LoginBody(email=email, password=password)).data
    user = api(base_url, first.access_token).me().data
    assert user.email == email
    assert user.created_at is not None  # which the document says; this generator forgets it
    assert user.created_at.tzinfo is not None
    second = api(base_url, first.refresh_token).refresh().data
    logged_in = api(base_url, second.access_token)
    ended = logged_in.logout()
    assert (ended.code, ended.data) == (20001, None)
    assert is_refused(logged_in)
    print(f"openapi-generator, python: {user.name} came, stayed and went")


if __name__ == "__main__":
    main(*sys.argv[1:])
