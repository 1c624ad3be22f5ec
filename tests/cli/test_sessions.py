"""The commands for sessions."""

from support.commands import Shell
from support.database import expire_sessions
from support.http import assert_refused, success
from support.services import Instance
from support.users import add_and_log_in, log_in


async def test_sessions_are_listed_and_revoked(shell: Shell, service: Instance) -> None:
    ada = await add_and_log_in(service)
    await log_in(service.client)
    bob = await add_and_log_in(service, "bob@wutang.example")
    listed = (await shell("sessions list ada@wutang.example --json")).document
    told = success(await service.client.get("/api/auth/sessions", headers=ada.headers))
    assert [set(session) for session in listed] == [set(session) - {"current"} for session in told]
    assert [session["id"] for session in listed] == [session["id"] for session in told]
    table = (await shell("sessions list ada@wutang.example")).said.split("\n")
    assert len(table) == 3
    assert "127.0.0.1" in table[1]
    assert (await shell("sessions revoke ADA@wutang.example")).said == "ended 2 sessions of ada@wutang.example"
    assert_refused(await service.client.get("/api/auth/me", headers=ada.headers), 401, 40001)
    success(await service.client.get("/api/auth/me", headers=bob.headers))
    assert (await shell("sessions revoke ada@wutang.example --json")).document == {"ended": 0}


async def test_prune_deletes_dead_sessions_only(shell: Shell, service: Instance) -> None:
    dead = await add_and_log_in(service)
    live = await log_in(service.client)
    await expire_sessions(service.settings, dead.session_id)
    assert (await shell("sessions prune")).said == "pruned 1 dead session"
    assert (await shell("sessions prune --json")).document == {"pruned": 0}
    success(await service.client.get("/api/auth/me", headers=live.headers))
