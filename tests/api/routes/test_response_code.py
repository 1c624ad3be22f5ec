"""The catalogue of response codes."""

from support.http import CATALOGUE, success
from support.services import Instance


async def test_catalogue_is_the_references(shared_service: Instance) -> None:
    response = await shared_service.client.get("/api/response_code")
    assert success(response) == CATALOGUE
    assert list(response.json()["data"]) == list(CATALOGUE)
    assert response.json() == {"code": 20001, "message": "操作成功", "data": CATALOGUE}


async def test_catalogue_takes_the_references_parameters_without_effect(shared_service: Instance) -> None:
    parameters = {"10001": "ex", "10003": "quis", "20001": "", "40001": "\x00", "40003": "密", "40004": "x" * 1000}
    assert success(await shared_service.client.get("/api/response_code", params=parameters)) == CATALOGUE
    twice = "?10001=a&10001=b&50001[]=c&unknown=%ff&&=&%zz"
    assert success(await shared_service.client.get(f"/api/response_code{twice}")) == CATALOGUE


async def test_catalogue_speaks_english(shared_service: Instance) -> None:
    response = await shared_service.client.get("/api/response_code", headers={"Accept-Language": "en"})
    data = success(response)
    assert list(data) == list(CATALOGUE)
    assert data["20001"] == "Success"
    assert all(message.isascii() for message in data.values())
    assert "Accept-Language" in response.headers["vary"]
