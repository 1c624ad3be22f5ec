"""Bringing the blacklist of jwt-auth, from wherever the application caches."""

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.commands import Shell
from support.database import Target, query
from support.laravel import Shop, sha1

JTI = "0Rpyi4Xlidt18HaC"
OTHER_JTI = "F4QdSNqbPuhfhQbB"
REVOKED = 'a:1:{s:11:"valid_until";i:1700000000;}'
DAY = 86_400


@pytest.fixture
async def shop(empty_database_url: str) -> Shop:
    return await Shop(empty_database_url).set_up()


async def known(target: Target) -> dict[bytes, datetime]:
    rows = await query(target, "SELECT digest, expires_at FROM legacy_tokens WHERE reason = 'imported'")
    return {row["digest"]: row["expires_at"] for row in rows}


async def brought(shell: Shell, source: object) -> dict[str, Any]:
    document: dict[str, Any] = (await shell(f"takeover revocations --from {source} --json")).document
    return document


async def test_blacklist_in_a_database_comes_along(shell: Shell, shop: Shop, database_url: str) -> None:
    in_a_month = int(time.time()) + 30 * DAY
    await shop.cache(JTI, REVOKED, in_a_month)
    await shop.cache(f"laravel_cache_{OTHER_JTI}", 's:7:"forever";', 2_111_010_000)
    await shop.cache("laravel_cache_illuminate:queue:restart", "i:1700000000;", 2_111_010_000)
    await shop.cache("laravel_cache_356a192b7913b04c54574d18c28d46e6395428ab", "i:5;", in_a_month)
    assert await brought(shell, shop.url) == {"entries": 4, "revoked": 2, "added": 2, "unreadable": 0}
    tokens = await known(database_url)
    assert tokens.keys() == {sha1(JTI), sha1(OTHER_JTI)}
    assert tokens[sha1(JTI)] == datetime.fromtimestamp(in_a_month, UTC)
    assert await brought(shell, shop.url) == {"entries": 4, "revoked": 2, "added": 0, "unreadable": 0}
    assert await known(database_url) == tokens


async def test_token_stays_known_as_long_as_it_could_be_refreshed_here(
    shell: Shell, shop: Shop, database_url: str
) -> None:
    """Also one that the application has forgotten, or is about to."""
    await shop.cache(JTI, REVOKED, 1_700_000_000)
    before = datetime.now(UTC)
    await brought(Shell(shell.environment | {"WUTANG_LEGACY_REFRESH_TTL": str(40 * DAY)}), shop.url)
    [expires_at] = (await known(database_url)).values()
    assert before + timedelta(days=39) < expires_at < datetime.now(UTC) + timedelta(days=41)


async def test_a_value_that_is_no_serialization_still_revokes(shell: Shell, shop: Shop, database_url: str) -> None:
    await shop.cache(JTI, "\x04broken", 2_000_000_000)
    await shop.cache("settings", "\x04something else", 2_000_000_000)
    outcome = await shell(f"takeover revocations --from {shop.url}")
    assert outcome.stdout == "added 1 of 1 revoked tokens; 1 other entries were left alone\n"
    assert outcome.stderr == (
        "wutang-auth: warning: 1 entries have the key of a token and no value of PHP; they count as revoked, "
        "which refuses nobody else\n"
    )
    assert (await known(database_url)).keys() == {sha1(JTI)}


async def test_blacklist_in_files_comes_along(shell: Shell, tmp_path: Path, database_url: str) -> None:
    """The name of a file is the SHA-1 of its key, which is all that is known of it."""
    for key, value in ((JTI, f"2000000000{REVOKED}"), ("other", "9999999999i:5;"), (OTHER_JTI, "1700000000a:0:{}")):
        name = sha1(key).hex()
        path = tmp_path / name[:2] / name[2:4] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    (tmp_path / ".gitignore").write_text("*")
    assert await brought(shell, tmp_path) == {"entries": 3, "revoked": 2, "added": 2, "unreadable": 0}
    assert (await known(database_url)).keys() == {sha1(JTI), sha1(OTHER_JTI)}


async def test_a_store_that_is_not_there_is_told_in_one_line(shell: Shell, tmp_path: Path, shop: Shop) -> None:
    error = (await shell(f"takeover revocations --from {tmp_path}/none")).error
    assert error.startswith(f"{tmp_path}/none cannot be read: No such file or directory")
    error = (await shell(f"takeover revocations --from {shop.url} --table caches")).error
    assert 'relation "caches" does not exist' in error
    error = (await shell("takeover revocations --from redis://:s3cret@127.0.0.1:1/0")).error
    assert error.startswith("Redis: ")
    assert "s3cret" not in error
    error = (await shell("takeover revocations --from mysql://shop:s3cret@127.0.0.1:1/shop")).error
    assert error.startswith("MySQL: ")
    assert "s3cret" not in error


async def test_how_far_it_is_can_be_asked(shell: Shell, shop: Shop) -> None:
    before = (await shell("takeover status --json")).document
    assert (before["users"], before["not_taken_over"], before["users_run"]) == (0, None, None)
    await shop.add(7, "grace@shop.example")
    await shop.add(8, "no address")
    await shop.cache(JTI, REVOKED, 2_000_000_000)
    await shell(f"takeover users --from {shop.url} --rejects /dev/null")
    await brought(shell, shop.url)
    after = (await shell("takeover status --json")).document
    assert (after["users"], after["not_taken_over"], after["revoked"], after["seen"]) == (1, 1, 1, 0)
    said = (await shell("takeover status")).said
    assert "users not yet taken over" in said


def test_other_commands_import_nothing_of_a_takeover() -> None:
    """Only the signatures of its commands are there, for --help."""
    of_it = (
        "import sys, wutang_auth.cli, wutang_auth.main; print(*sorted(name for name in sys.modules if name in"
        " ('pymysql', 'redis') or name.startswith(('wutang_auth.repository.takeover', 'wutang_auth.repository.laravel',"
        " 'wutang_auth.service.takeover'))))"
    )
    assert subprocess.check_output([sys.executable, "-c", of_it], text=True).strip() == ""


async def test_missing_client_of_a_database_is_named(environment: dict[str, str]) -> None:
    """As where the extra was not installed."""
    for module, extra, url in (("pymysql", "mysql", "mysql://shop@127.0.0.1/shop"), ("redis", "redis", "redis://x/0")):
        hidden = f"import sys; sys.modules[{module!r}] = None; from wutang_auth.cli import main; main()"
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-c", hidden, "takeover", "revocations", "--from", url,
            env=environment, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await done.communicate()
        assert done.returncode == 1
        assert said.decode().endswith(
            f"is not installed; run pip install 'wutang-auth[{extra}]'; nothing was changed\n"
        )
