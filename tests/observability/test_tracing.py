"""The spans of a process in which an OpenTelemetry SDK is configured."""

import asyncio
import json
import sys
from typing import Any

import pytest

from support.services import Instance, environment_of
from support.users import CREDENTIALS, add_user

# a login, requests with its token, one of them without the table that it needs, and what a configured exporter gets
PROGRAM = """
import asyncio, json, os, sys
import asyncpg, httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from wutang_auth.main import create_app

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
app = create_app()

async def use():
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0.5)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://wutang.test") as client:
            answer = await client.post("/api/auth/login", json=json.loads(sys.argv[1]))
            headers = {"Authorization": "Bearer " + answer.json()["data"]["access_token"]}
            assert (await client.get("/api/auth/me", headers=headers)).status_code == 200
            new = {"email": "grace@wutang.example", "password": "seven small violet umbrellas"}
            assert (await client.post("/api/users", json=new, headers=headers)).status_code == 201
            connection = await asyncpg.connect(os.environ["WUTANG_DATABASE_URL"])
            await connection.execute("ALTER TABLE sessions RENAME TO elsewhere")
            await connection.close()
            assert (await client.get("/api/auth/sessions", headers=headers)).status_code == 503

asyncio.run(use())
print("[" + ",".join(span.to_json(indent=None) for span in exporter.get_finished_spans()) + "]")
"""


@pytest.fixture
async def spans(service: Instance) -> list[dict[str, Any]]:
    """What the program above exports."""
    await add_user(service.settings, scopes=["users:write"])
    environment = environment_of(service.settings.database_url.get_secret_value(), service.settings.keys_file)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, json.dumps(CREDENTIALS), env=environment, stdout=asyncio.subprocess.PIPE
    )
    exported, _ = await process.communicate()
    assert process.returncode == 0
    found: list[dict[str, Any]] = json.loads(exported)
    return found


def below(spans: list[dict[str, Any]], name: str) -> list[str]:
    """The names of all spans in the trace of the request of this name."""
    [trace] = {span["context"]["trace_id"] for span in spans if span["name"] == name}
    return [span["name"] for span in spans if span["context"]["trace_id"] == trace]


def test_statements_and_hashes_are_spans_below_their_request(spans: list[dict[str, Any]]) -> None:
    login = below(spans, "POST /api/auth/login")
    assert login.count("hash password") == 1
    assert {"AttemptRepository.ADMIT", "CredentialRepository.FIND", "SessionRepository.CREATE"} <= set(login)
    assert "SessionRepository.READ" in below(spans, "GET /api/auth/me")
    assert {"hash password", "UserRepository.CREATE", "EmailRepository.CLAIM"} <= set(below(spans, "POST /api/users"))
    [read] = [span for span in spans if span["name"] == "CredentialRepository.FIND"]
    assert read["kind"] == "SpanKind.CLIENT"
    assert read["attributes"] == {
        "db.system.name": "postgresql",
        "db.query.summary": "CredentialRepository.FIND",
    }


def test_what_failed_says_so_without_a_value(spans: list[dict[str, Any]]) -> None:
    [failed] = [span for span in spans if span["attributes"].get("error.type") == "DatabaseMisconfigured"]
    assert failed["name"] == "SessionRepository.READ"
    assert failed["status"]["status_code"] == "ERROR"
    assert "sessions" in failed["status"]["description"]
    assert failed["events"] == []


def test_no_span_holds_a_value(spans: list[dict[str, Any]]) -> None:
    text = json.dumps(spans)
    for private in (*CREDENTIALS.values(), "grace", "seven small", "argon2", "eyJ"):
        assert private not in text
