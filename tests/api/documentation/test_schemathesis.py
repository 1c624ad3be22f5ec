"""The service keeps to its own OpenAPI document, says a stranger who tries to prove the contrary."""

import asyncio
import re
import sys
from pathlib import Path
from uuid import UUID

import pytest

from support.database import query
from support.services import serving
from wutang_auth.settings import Settings, load
from wutang_auth.tokens import key_file
from wutang_auth.tokens.access import Tokens

# a user for each session, because some calls end all sessions of a user, or the user
_ADD = """
    WITH made AS (
        INSERT INTO users (email, canonical_email, name, password_hash, scopes)
        SELECT email, email, 'Ada', 'x', '{tokens:introspect,users:read,users:write}'
        FROM generate_series(1, $1) AS number, LATERAL (SELECT 'user' || number || '@wutang.example') AS given (email)
        RETURNING id
    )
    INSERT INTO sessions (user_id, id, expires_at)
    SELECT id, gen_random_uuid(), now() + interval '1 day' FROM made RETURNING user_id, id
"""


@pytest.mark.parametrize(
    ("sessions", "options"),
    [
        # the same calls each time; what chance finds is for who looks for it
        (3_000, ["--max-examples", "40", "--generation-deterministic"]),
        pytest.param(90_000, ["--max-examples", "250"], marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
    ids=["again", "at_random"],
)
async def test_every_answer_is_as_documented(
    environment: dict[str, str], tmp_path: Path, sessions: int, options: list[str]
) -> None:
    (tmp_path / "mails").mkdir()
    environment |= {
        "WUTANG_THROTTLE_ADDRESS_FAILURES": "100000",
        "WUTANG_MFA": "optional",
        "WUTANG_SMTP_URL": f"file://{tmp_path / 'mails'}",
        "WUTANG_MAIL_FROM": "no-reply@shop.example",
        "WUTANG_PUBLIC_URL": "https://id.shop.example",
        "WUTANG_REGISTRATION": "open",
    }
    tokens = tmp_path / "tokens"
    tokens.write_text("\n".join(await access_tokens(environment, sessions)))
    async with serving(environment, tmp_path / "log") as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())",
            "run", f"{server.base_url}/openapi.json", "--checks", "all", *options, "--no-color",
            "--continue-on-failure",
            "--exclude-path", "/.well-known/revocations",  # a JWT, which it would read as JSON
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={
                **environment,
                "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
                "SCHEMATHESIS_TOKENS": str(tokens),
                "PYTHONPATH": str(Path(__file__).parent),
            },
        )  # fmt: skip
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    # calls got past the guard: only the two steps of a login, of people who are not there, may have met refusals alone
    refused = re.search(r"Authentication failed: (\d+) operation", said.decode())
    assert refused is None or int(refused[1]) <= 2, said.decode()
    assert "a bug" not in server.log.read_text()


async def access_tokens(environment: dict[str, str], count: int) -> list[str]:
    """Tokens of as many users, the latest first: small ids are guessed, and some guesses are deletions."""
    settings = load(
        Settings,
        _env_file=None,
        database_url=environment["WUTANG_DATABASE_URL"],
        keys_file=environment["WUTANG_KEYS_FILE"],
    )
    issuer = Tokens(settings, key_file.load(settings.keys_file))
    rows = await query(settings, _ADD, count)
    return [
        issuer.issue(
            user_id=row["user_id"], session_id=UUID(str(row["id"])), generation=0, scopes=[], session_lifetime=86_400
        ).access_token
        for row in reversed(rows)
    ]
