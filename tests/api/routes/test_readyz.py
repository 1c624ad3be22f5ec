"""Whether the service can serve."""

import pytest

from support.database import (
    query,
    set_revision,
    unreachable,
)
from support.http import success
from support.services import Instance
from support.users import add_and_log_in


async def test_ready_service_says_so_afresh_each_time(service: Instance) -> None:
    response = await service.client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


async def test_reason_is_told_and_gone_when_it_is_over(service: Instance) -> None:
    async with unreachable(service.settings):
        response = await service.client.get("/readyz")
        assert response.status_code == 503
        assert response.json() == {"status": "unavailable", "reason": "database unavailable"}
    assert (await service.client.get("/readyz")).status_code == 200


async def test_while_stopping_connections_are_given_up_and_nothing_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    service.app.state.is_draining = True
    answered = await service.client.get("/api/auth/me", headers=login.headers)
    success(answered)
    assert answered.headers["connection"] == "close"
    assert (await service.client.get("/readyz")).status_code == 503
    assert (await service.client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("revision", ["0001", "0000", "ae1027a6acf0"])
async def test_stale_schema_is_not_ready(service: Instance, revision: str) -> None:
    assert (await service.client.get("/readyz")).status_code == 200
    await set_revision(service.settings, revision)
    response = await service.client.get("/readyz")
    assert (response.status_code, response.json()["reason"]) == (503, "schema behind: run `wutang-auth migrate`")
    await query(service.settings, "DELETE FROM alembic_version")
    assert (await service.client.get("/readyz")).status_code == 503


async def test_schema_of_a_newer_version_is_ready(service: Instance) -> None:
    """While the new version is rolled out, and after it was rolled back."""
    await set_revision(service.settings, "9999")
    response = await service.client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
