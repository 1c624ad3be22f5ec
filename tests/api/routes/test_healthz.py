"""Whether the process lives."""

from pydantic import SecretStr

from support.services import Start


async def test_process_lives_whatever_becomes_of_its_database(start: Start) -> None:
    service = await start(database_url=SecretStr("postgresql://127.0.0.1:1/none"))
    response = await service.client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response.headers["content-type"] == "application/json"
    assert (await service.client.get("/readyz")).status_code == 503
