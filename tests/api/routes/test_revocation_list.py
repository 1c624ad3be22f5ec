"""The list of revocations: what other services are told of logouts, and how soon."""

import asyncio
import gzip
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import jwt
import pytest

from support.commands import Shell
from support.database import query, unreachable
from support.http import assert_refused, success
from support.revocations import ask, listed, verified
from support.services import Instance, Start
from support.tokens import bearer, claims_of
from support.users import (
    NEW_PASSWORD,
    PASSWORD,
    WRITER,
    Login,
    add_and_log_in,
    administrator,
    log_in,
    token_pair,
    update,
)
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import Algorithm, KeyRing

PATH = "/.well-known/revocations"
SCOPES = ["orders:read", "orders:write"]


async def log_out(instance: Instance, login: Login, **parameters: str) -> None:
    response = await instance.client.delete("/api/auth/logout", headers=login.headers, params=parameters)
    success(response)


# -- The document


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
async def test_it_is_a_signed_list_without_an_envelope(start: Start, tmp_path: Path, alg: Algorithm) -> None:
    key_file.save(KeyRing.generate(alg), tmp_path / "keys.json")
    service = await start(keys_file=tmp_path / "keys.json", issuer="https://auth.wutang.example")
    login = await add_and_log_in(service)
    before = int(time.time())
    empty = await listed(service.client)
    assert empty.header == {"alg": alg, "typ": "revocations+jwt", "kid": empty.header["kid"]}
    assert (empty.claims["sessions"], empty.claims["users"]) == ([], {})
    assert empty.claims["iss"] == "https://auth.wutang.example"
    assert empty.claims["ttl"] == 2
    assert set(empty.claims) == {"iss", "iat", "exp", "ttl", "next", "sessions", "users"}
    assert before - 5 <= empty.claims["iat"] <= time.time() - 5
    assert empty.claims["exp"] - empty.claims["iat"] == 65
    await log_out(service, login)
    await asyncio.sleep(0.3)
    full = await listed(service.client)
    assert full.claims["sessions"] == [str(login.session_id)]
    assert full.claims["sessions"] == [claims_of(login.access_token)["sid"]]


async def test_it_may_be_kept_but_has_to_be_confirmed(service: Instance) -> None:
    response = await ask(service.client)
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["vary"] == "Accept-Encoding"
    etag = response.headers["etag"]
    for tag in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        same = await ask(service.client, headers={"If-None-Match": tag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        assert same.headers["cache-control"] == "no-cache"
    assert (await ask(service.client, headers={"If-None-Match": '"other"'})).status_code == 200
    await log_out(service, await add_and_log_in(service))
    await asyncio.sleep(0.3)
    changed = await ask(service.client, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


async def test_a_cursor_is_confirmed_as_long_as_nothing_is_new(service: Instance) -> None:
    first = await listed(service.client)
    response = await ask(service.client, first.cursor)
    assert (await verified(service.client, response)).cursor == first.cursor
    await asyncio.sleep(0.3)
    again = await ask(service.client, first.cursor, {"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304


async def test_it_is_compressed_for_who_takes_it(service: Instance) -> None:
    compressed = await service.client.get(PATH, headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["content-encoding"] == "gzip"
    plain = await service.client.get(PATH, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert compressed.content == plain.content
    async with service.client.stream("GET", PATH, headers={"Accept-Encoding": "gzip"}) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert gzip.decompress(raw) == plain.content


@pytest.fixture(scope="module")
async def ended_session(shared_service: Instance) -> UUID:
    """The only session that has ended at the service that tests of this file share."""
    login = await add_and_log_in(shared_service)
    await log_out(shared_service, login)
    return login.session_id


@pytest.mark.parametrize(
    "cursor", ["", "0", "1", "-1", "banana", "\x00", "9" * 15, "9" * 16, "9" * 400, "１", "1.5", "王"]
)
async def test_unknown_or_older_cursor_gives_all_that_matters(
    shared_service: Instance, ended_session: UUID, cursor: str
) -> None:
    assert (await listed(shared_service.client, cursor)).sessions == {ended_session}


async def test_a_cursor_gives_what_came_later_and_holds_on_every_replica(start: Start) -> None:
    first, second = await start(), await start()
    await listed(second.client)
    cursor = (await listed(first.client)).cursor
    login = await add_and_log_in(first)
    await log_out(second, login)
    await asyncio.sleep(0.3)
    for instance in (first, second, await start()):
        assert (await listed(instance.client, cursor)).sessions == {login.session_id}
    after = await listed(first.client, cursor)
    async with asyncio.timeout(10):
        while int(after.cursor) == int(cursor):  # it moves on when the whole table was gone through once more
            await asyncio.sleep(0.3)
            after = await listed(first.client, cursor)
            assert after.sessions == {login.session_id}
    assert int(after.cursor) > int(cursor)
    other = await log_in(first.client)
    await log_out(first, other)
    await asyncio.sleep(0.3)
    for instance in (first, second):
        assert other.session_id in (await listed(instance.client, after.cursor)).sessions


async def test_with_the_database_away_it_is_503_and_never_an_old_list(start: Start) -> None:
    service = await start(db_connect_timeout=1.0)
    response = await ask(service.client)
    async with unreachable(service.settings):
        await asyncio.sleep(0.3)
        for headers in ({}, {"If-None-Match": response.headers["etag"]}):
            refused = await ask(service.client, headers=headers)
            assert_refused(refused, 503, 50001)
            assert int(refused.headers["retry-after"]) >= 1
    assert (await ask(service.client)).status_code == 200


async def test_shared_secrets_sign_no_list(start: Start, tmp_path: Path) -> None:
    key_file.save(KeyRing.generate("HS256"), tmp_path / "keys.json")
    service = await start(keys_file=tmp_path / "keys.json")
    assert_refused(await ask(service.client), 404, 40004)


async def test_the_list_is_no_token(service: Instance) -> None:
    text = (await ask(service.client)).text
    for method, path in (("GET", "/api/auth/me"), ("PUT", "/api/auth/refresh"), ("DELETE", "/api/auth/logout")):
        assert_refused(await service.client.request(method, path, headers=bearer(text)), 401, 40001)


# -- Every way in which a session ends


async def _logout(instance: Instance, login: Login, _shell: Shell) -> set[UUID]:
    await log_out(instance, login)
    return {login.session_id}


async def _everywhere(instance: Instance, login: Login, _shell: Shell) -> set[UUID]:
    other = await log_in(instance.client)
    await log_out(instance, login, everywhere="true")
    return {login.session_id, other.session_id}


async def _theft(instance: Instance, login: Login, _shell: Shell) -> set[UUID]:
    for _ in range(2):
        newest = token_pair(await instance.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    newest = token_pair(await instance.client.put("/api/auth/refresh", headers=bearer(newest.refresh_token)))
    assert_refused(await instance.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)), 401, 40001)
    return {login.session_id}


async def _by_owner(instance: Instance, login: Login, _shell: Shell) -> set[UUID]:
    other = await log_in(instance.client)
    success(await instance.client.delete(f"/api/auth/sessions/{login.session_id}", headers=other.headers))
    return {login.session_id}


async def _password_change(instance: Instance, login: Login, _shell: Shell) -> set[UUID]:
    other = await log_in(instance.client)
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    success(await instance.client.put("/api/auth/password", json=change, headers=other.headers))
    return {login.session_id}


async def _disabled_by_admin(instance: Instance, login: Login, _shell: Shell) -> set[UUID]:
    success(await update(instance, await administrator(instance), login.user_id, disabled=True))
    return {login.session_id}


async def _password_by_admin(instance: Instance, login: Login, _shell: Shell) -> set[UUID]:
    success(await update(instance, await administrator(instance), login.user_id, password=NEW_PASSWORD))
    return {login.session_id}


async def _deleted_by_admin(instance: Instance, login: Login, _shell: Shell) -> set[UUID]:
    root = await administrator(instance)
    success(await instance.client.delete(f"/api/users/{login.user_id}", headers=root.headers))
    return {login.session_id}


async def _pushed_out(instance: Instance, login: Login, _shell: Shell) -> set[UUID]:
    for _ in range(instance.settings.sessions_per_user):
        await log_in(instance.client)
    return {login.session_id}


def _by_command(line: str, stdin: str = "") -> Callable[[Instance, Login, Shell], Awaitable[set[UUID]]]:
    async def end(_instance: Instance, login: Login, shell: Shell) -> set[UUID]:
        assert (await shell(line, stdin=stdin)).code == 0
        return {login.session_id}

    return end


WAYS = {
    "logout": _logout,
    "logout everywhere": _everywhere,
    "theft": _theft,
    "ended by its owner": _by_owner,
    "password change": _password_change,
    "disabled": _disabled_by_admin,
    "password set by an administrator": _password_by_admin,
    "deleted": _deleted_by_admin,
    "pushed out": _pushed_out,
    "sessions revoke": _by_command("sessions revoke ada@wutang.example"),
    "sessions revoke --all": _by_command("sessions revoke --all"),
    "users disable": _by_command("users disable ada@wutang.example"),
    "users delete": _by_command("users delete ada@wutang.example --yes"),
    "users set-password": _by_command("users set-password ada@wutang.example --password-stdin", NEW_PASSWORD),
}


@pytest.mark.parametrize("way", WAYS)
async def test_whichever_way_a_session_ends_it_is_listed(start: Start, shell: Shell, way: str) -> None:
    service = await start(sessions_per_user=3, refresh_grace=0)
    cursor = (await listed(service.client)).cursor
    ended = await WAYS[way](service, await add_and_log_in(service), shell)
    await asyncio.sleep(0.3)
    found = await listed(service.client, cursor)
    assert (found.sessions, found.users) == (ended, {})


# -- Scopes


async def _by_patch(instance: Instance, login: Login, _shell: Shell) -> None:
    root = await administrator(instance, [*WRITER, *SCOPES])
    success(await update(instance, root, login.user_id, scopes=["orders:read"]))


async def _by_revoke(_instance: Instance, _login: Login, shell: Shell) -> None:
    assert (await shell("users revoke ada@wutang.example orders:write")).code == 0


@pytest.mark.parametrize("take", [_by_patch, _by_revoke])
async def test_tokens_of_who_has_lost_a_scope_are_listed_by_their_time(
    service: Instance, shell: Shell, take: Callable[[Instance, Login, Shell], Awaitable[None]]
) -> None:
    login = await add_and_log_in(service, scopes=SCOPES)
    await take(service, login, shell)
    taken_at = time.time()
    found = await listed(service.client)
    assert found.sessions == set()
    assert login.user_id is not None
    assert set(found.users) == {login.user_id}
    assert claims_of(login.access_token)["iat"] <= found.users[login.user_id] <= taken_at - 5
    await asyncio.sleep(1.01)
    newest = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    claims = claims_of(newest.access_token)
    assert claims["scope"] == "orders:read"
    assert claims["iat"] > (await listed(service.client)).users[login.user_id]


async def test_a_change_that_takes_no_scope_is_not_listed(service: Instance, shell: Shell) -> None:
    login = await add_and_log_in(service, scopes=SCOPES)
    root = await administrator(service, [*WRITER, *SCOPES, "orders:delete"])
    success(await update(service, root, login.user_id, scopes=[*SCOPES, "orders:delete"], name="Countess"))
    await shell("users grant ada@wutang.example refunds:write")
    await shell("users revoke ada@wutang.example parcels:write")
    assert (await listed(service.client)).users == {}


async def test_tokens_of_a_user_without_sessions_need_no_mention(service: Instance, shell: Shell) -> None:
    login = await add_and_log_in(service, scopes=SCOPES)
    await log_out(service, login)
    await shell("users revoke ada@wutang.example orders:write")
    found = await listed(service.client)
    assert (found.sessions, found.users) == ({login.session_id}, {})


# -- How long


async def test_it_is_kept_as_long_as_the_last_access_token_whatever_its_lifetime_was(start: Start) -> None:
    long_lived, short_lived = await start(access_ttl=3600), await start(access_ttl=60)
    login = await add_and_log_in(long_lived)
    newest = token_pair(await short_lived.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    await log_out(short_lived, newest)
    [row] = await query(long_lived.settings, "SELECT expires_at, session_id FROM revocations")
    assert row["session_id"] == login.session_id
    assert row["expires_at"].timestamp() >= claims_of(login.access_token)["exp"]


async def test_a_refresh_prolongs_it(start: Start) -> None:
    service = await start(access_ttl=3)
    login = await add_and_log_in(service)
    await asyncio.sleep(1.1)
    newest = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    await log_out(service, newest)
    [row] = await query(service.settings, "SELECT expires_at FROM revocations")
    assert row["expires_at"].timestamp() >= claims_of(newest.access_token)["exp"]


async def test_what_concerns_no_living_token_is_listed_no_more_and_pruned(service: Instance) -> None:
    login, other = await add_and_log_in(service), await log_in(service.client)
    await log_out(service, login)
    await log_out(service, other)
    await query(service.settings, "UPDATE revocations SET expires_at = now() WHERE session_id = $1", login.session_id)
    await asyncio.sleep(0.3)
    assert (await listed(service.client)).sessions == {other.session_id}


async def test_session_whose_access_tokens_have_expired_is_not_listed(service: Instance) -> None:
    login = await add_and_log_in(service)
    await query(service.settings, "UPDATE sessions SET access_expires_at = now() - interval '1 minute'")
    await log_out(service, login)
    assert (await listed(service.client)).sessions == set()


# -- The order in which transactions commit


async def test_what_commits_late_is_listed_although_later_ones_were_before(service: Instance) -> None:
    login, other = await add_and_log_in(service), await log_in(service.client)
    connection = await asyncpg.connect(service.settings.database_url.get_secret_value())
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(_REVOKE, login.session_id, 0.0)
    await log_out(service, other)
    first = await listed(service.client)
    assert first.sessions == {other.session_id}
    await transaction.commit()
    await connection.close()
    await asyncio.sleep(0.3)
    assert login.session_id in (await listed(service.client, first.cursor)).sessions


async def test_nobodys_long_transaction_holds_up_the_list(service: Instance) -> None:
    login = await add_and_log_in(service)
    connection = await asyncpg.connect(service.settings.database_url.get_secret_value())
    async with connection.transaction():
        await connection.execute("CREATE TABLE a_long_import (id integer)")
        await connection.execute("UPDATE users SET name = 'held'")
        await log_out(service, login)
        assert (await listed(service.client)).sessions == {login.session_id}
    await connection.close()


async def test_what_commits_later_than_any_deadline_is_found_by_all_and_whatever_their_cursor(start: Start) -> None:
    first, second = await start(), await start()
    await listed(first.client)
    cursor = (await listed(second.client)).cursor
    login = await add_and_log_in(first)
    await query(first.settings, _REVOKE, login.session_id, 3600.0)
    for instance in (first, second):
        found: set[UUID] = set()
        async with asyncio.timeout(10):
            while login.session_id not in found:
                await asyncio.sleep(0.3)
                found = (await listed(instance.client, cursor)).sessions
    await asyncio.sleep(0.3)
    for instance in (first, second):
        assert login.session_id in (await listed(instance.client, cursor)).sessions


_REVOKE = """
    INSERT INTO revocations (user_id, session_id, revoked_at, expires_at)
    VALUES (1, $1, clock_timestamp() - $2 * interval '1 second', now() + interval '1 day')
"""


def test_the_reader_of_these_tests_is_strict() -> None:
    with pytest.raises(jwt.InvalidTokenError):
        jwt.get_unverified_header("eyJ.eyJ.x")
