"""`wutang-auth doctor` on a healthy set-up and on broken ones, each broken in one way."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.commands import run
from support.database import (
    add_sessions,
    as_role,
    fill_users,
    locked_sessions,
    query,
    roles_of,
    set_revision,
    store_hash,
)
from support.services import environment_of, serving
from support.users import add_user
from wutang_auth.database import REVISION, migrations
from wutang_auth.embedded import EmbeddedPostgres
from wutang_auth.repository.schema import NEEDED
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing, SigningKey


@dataclass(frozen=True)
class Said:
    """What the command found."""

    code: int
    findings: list[dict[str, str]]

    def of(self, check: str) -> list[dict[str, str]]:
        return [finding for finding in self.findings if finding["check"] == check]

    def wrong(self, check: str) -> dict[str, str]:
        """The one thing that is wrong with it."""
        [found] = [finding for finding in self.of(check) if finding["verdict"] == "wrong"]
        assert self.code == 1
        return found

    def look(self, check: str) -> dict[str, str]:
        """The one thing of it to look at."""
        [found] = [finding for finding in self.of(check) if finding["verdict"] == "look"]
        return found

    def well(self, check: str) -> str:
        [found] = self.of(check)
        assert found["verdict"] == "well", found
        return found["says"]


async def doctor(environment: Mapping[str, str], *arguments: object, **settings: object) -> Said:
    given = {f"WUTANG_{name.upper()}": str(value) for name, value in settings.items()}
    outcome = await run({**environment, **given}, "doctor", "--json", *arguments)
    assert outcome.stderr == ""
    document = json.loads(outcome.stdout)
    assert document["well"] is (outcome.code == 0)
    return Said(outcome.code, document["findings"])


def url_in(environment: Mapping[str, str]) -> str:
    return environment["WUTANG_DATABASE_URL"]


def save_ring(path: Path, ring: KeyRing, *, age: timedelta = timedelta(hours=1)) -> None:
    """A ring in a file, made so long ago."""
    made = datetime.now(UTC) - age
    key_file.save(KeyRing(tuple(replace(key, created_at=made) for key in ring.keys)), path)


# -- healthy

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
ONLY_IF_ASKED_FOR = ["instances", "legacy tokens"]


@pytest.fixture(scope="module")
async def healthy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """The environment of a service whose PostgreSQL keeps what was answered, with a role that may do what it needs."""
    directory = tmp_path_factory.mktemp("healthy")
    save_ring(directory / "keys.json", KeyRing.generate())
    with EmbeddedPostgres(directory / "data") as postgres:
        await asyncio.to_thread(migrations.upgrade, postgres.url())
        await query(postgres.url(), "CREATE ROLE service LOGIN")
        for table, privilege in NEEDED:
            await query(postgres.url(), f"GRANT {privilege} ON {table} TO service")
        user = await add_user(postgres.url())
        await add_sessions(postgres.url(), user.id, 3)
        yield environment_of(as_role(postgres.url(), "service"), directory / "keys.json")


async def test_a_healthy_set_up_is_a_page_of_check_marks(healthy: dict[str, str]) -> None:
    page = (await run(healthy, "doctor")).said.splitlines()
    assert [line for line in page if line.startswith("✗")] == []
    [to_look_at] = [line for line in page if line.startswith("!")]
    assert "durability" in to_look_at  # of one server alone
    assert page[page.index(to_look_at) + 1].strip() == "→ a synchronous standby, if that matters to you"
    assert page[-1] == f"{len(page) - 3} well, 1 to look at, 0 wrong"


async def test_programs_get_a_document(healthy: dict[str, str]) -> None:
    said = await doctor(healthy)
    assert said.code == 0
    assert [finding["check"] for finding in said.findings] == [
        "settings", "key ring", "server", "durability", "connections", "clocks", "schema", "privileges", "autovacuum",
        "password hashes", "addresses", "throttle", "mails", "sessions",
    ]  # fmt: skip
    assert {frozenset(finding) for finding in said.findings} == {frozenset({"check", "verdict", "says", "remedy"})}
    assert said.well("schema") == REVISION
    assert said.well("password hashes").startswith("1 argon2id v=19 m=19456,t=2,p=1 (")


async def test_every_check_has_a_row_in_the_page(healthy: dict[str, str]) -> None:
    checks = [finding["check"] for finding in (await doctor(healthy)).findings]
    assert sorted(re.findall(r"^\| `([a-z ]+)` \|", PAGE, re.MULTILINE)) == sorted([*checks, *ONLY_IF_ASKED_FOR])


async def test_it_is_the_database_of_dev_where_none_is_set(healthy: dict[str, str], tmp_path: Path) -> None:
    data_dir = Path(healthy["WUTANG_KEYS_FILE"]).parent / "data"
    save_ring(data_dir / "keys.json", KeyRing.generate())
    said = await doctor({}, "--data-dir", data_dir)
    assert said.code == 0
    assert "superuser" in said.look("server")["says"]
    assert "there is no" in (await doctor({}, "--data-dir", tmp_path / "none")).wrong("settings")["says"]


# -- broken


async def test_settings_that_cannot_be_used_are_named_as_at_the_start(environment: dict[str, str]) -> None:
    said = await doctor(environment, access_ttl="soon")
    assert said.wrong("settings")["says"].startswith("WUTANG_ACCESS_TTL: input should be a valid integer")
    assert len(said.findings) == 1


async def test_settings_that_are_unsafe_or_without_effect_are_named(environment: dict[str, str]) -> None:
    said = await doctor(
        environment, trusted_proxies="10.0.0.0/8,0.0.0.0/0", isuer="x", mail_from="no-reply@shop.example", reset_ttl=60,
        legacy_mint="false", access_ttl=3600, refresh_ttl=600, db_request_timeout=1, hash_workers=256,
        log_level="error", cors_origins="http://shop.example,http://localhost:3000", registration_domains="a.example",
        mfa_issuer="Shop", fresh_seconds=60, metrics_host="0.0.0.0",
    )  # fmt: skip
    assert "TRUSTED_PROXIES is everybody" in said.wrong("settings")["says"]
    looked_at = " ".join(finding["says"] for finding in said.of("settings") if finding["verdict"] == "look")
    for words in (
        "WUTANG_ISUER is no setting; did you mean WUTANG_ISSUER?",
        "WUTANG_MAIL_FROM, WUTANG_REGISTRATION_DOMAINS, WUTANG_RESET_TTL have no effect without WUTANG_SMTP_URL",
        "WUTANG_MFA_ISSUER has no effect without WUTANG_MFA",
        "WUTANG_FRESH_SECONDS has no effect without WUTANG_SMTP_URL or WUTANG_MFA",
        "WUTANG_LEGACY_MINT has no effect without WUTANG_LEGACY_SECRET",
        "WUTANG_METRICS_HOST has no effect without WUTANG_METRICS_PORT",
        "WUTANG_REGISTRATION_DOMAINS has no effect: WUTANG_REGISTRATION is off",
        "WUTANG_ACCESS_TTL is longer than WUTANG_REFRESH_TTL",
        "WUTANG_DB_STATEMENT_TIMEOUT has no effect",
        "WUTANG_HASH_WORKERS=256, but this machine gives ",
        "WUTANG_LOG_LEVEL=error: the audit trail, at info, is not written",
        "WUTANG_CORS_ORIGINS has http://shop.example: ",
    ):
        assert words in looked_at
    assert "localhost" not in looked_at


async def test_a_page_for_registrations_is_named_where_nobody_may_register(
    environment: dict[str, str], tmp_path: Path
) -> None:
    said = await doctor(
        environment, smtp_url=tmp_path.as_uri(), mail_from="no-reply@shop.example", public_url="https://shop.example",
        link_register="https://shop.example/register#{token}", fresh_seconds=60,
    )  # fmt: skip
    assert said.look("settings")["says"] == "WUTANG_LINK_REGISTER has no effect without WUTANG_REGISTRATION"


async def test_links_that_travel_in_the_clear_are_wrong(environment: dict[str, str], tmp_path: Path) -> None:
    mail = {"smtp_url": tmp_path.as_uri(), "mail_from": "no-reply@shop.example"}
    said = await doctor(environment, **mail, public_url="http://shop.example/auth")
    assert "PUBLIC_URL is http" in said.wrong("settings")["says"]
    assert (await doctor(environment, **mail, public_url="https://shop.example")).well("settings")


async def test_a_database_that_is_away_is_one_line(environment: dict[str, str]) -> None:
    said = await doctor(environment, database_url="postgresql://nobody:canary@127.0.0.1:1/none")
    assert said.wrong("server")["says"].startswith("the database cannot be reached (")
    assert said.findings[-1]["check"] == "server"
    assert "canary" not in str(said.findings)


async def test_a_database_without_its_schema_is_told_what_to_do(environment: dict[str, str]) -> None:
    await set_revision(url_in(environment), "0001")
    said = await doctor(environment)
    assert said.wrong("schema") == {
        "check": "schema", "verdict": "wrong", "says": f"it is behind (0001, not {REVISION})",
        "remedy": "`wutang-auth migrate`",
    }  # fmt: skip
    assert said.findings[-1]["check"] == "schema"
    await set_revision(url_in(environment), "9999")
    assert (await doctor(environment)).well("schema") == f"9999, newer than this version's ({REVISION})"


async def test_an_empty_database_is_told_what_to_do(environment: dict[str, str], empty_database_url: str) -> None:
    said = await doctor(environment, database_url=empty_database_url)
    assert "run `wutang-auth migrate`" in said.wrong("schema")["says"]


async def test_a_role_that_lacks_a_privilege_is_told_which(environment: dict[str, str]) -> None:
    url = url_in(environment)
    async with roles_of(url, "clerk") as roles:
        for table, privilege in NEEDED:
            if (table, privilege) != ("attempts", "INSERT"):
                await query(url, f"GRANT {privilege} ON {table} TO {roles['clerk']}")
        said = await doctor(environment, database_url=as_role(url, roles["clerk"]))
    assert (
        said.wrong("privileges")["says"] == "permission denied: INSERT on attempts; docs/privileges.md has the GRANTs"
    )
    assert said.well("addresses")  # the other questions are asked all the same


async def test_a_question_that_is_refused_keeps_no_other_from_being_asked(environment: dict[str, str]) -> None:
    url = url_in(environment)
    async with roles_of(url, "clerk") as roles:
        await query(url, f"GRANT SELECT ON alembic_version, sessions TO {roles['clerk']}")
        said = await doctor(environment, database_url=as_role(url, roles["clerk"]))
    assert "permission denied for table users" in said.wrong("addresses")["says"]
    assert said.of("sessions")[0]["verdict"] == "well"


async def test_what_takes_too_long_is_left_out(environment: dict[str, str]) -> None:
    async with locked_sessions(url_in(environment)):
        said = await doctor(environment, db_statement_timeout=0.5)
    assert said.look("throttle")["says"].startswith("no answer (")
    assert "WUTANG_DB_STATEMENT_TIMEOUT" in said.look("throttle")["remedy"]
    assert said.well("mails")


async def test_a_database_that_forgets_commits_is_wrong(environment: dict[str, str]) -> None:
    url = url_in(environment)
    name = (await query(url, "SELECT current_database()"))[0][0]
    await query(url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    says = [finding["says"] for finding in (await doctor(environment)).of("durability")]
    assert "synchronous_commit is off: a logout that was answered may be forgotten in a crash" in says


async def test_a_table_without_autovacuum_is_wrong(environment: dict[str, str]) -> None:
    await query(url_in(environment), "ALTER TABLE sessions SET (autovacuum_enabled = off)")
    assert (await doctor(environment)).wrong("autovacuum")[
        "remedy"
    ] == "ALTER TABLE sessions RESET (autovacuum_enabled)"


async def test_too_few_connections_are_to_look_at(environment: dict[str, str]) -> None:
    says = (await doctor(environment, db_pool_size=1000)).look("connections")["says"]
    assert says.startswith("one worker may need 1004 connections, and PostgreSQL gives this role ")


async def test_a_key_ring_that_cannot_be_used_is_wrong(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    says = (await doctor(environment, keys_file=path)).wrong("key ring")["says"]
    assert says.endswith(f"does not exist; make one with `wutang-auth keys generate --file {path}`")
    save_ring(path, KeyRing.generate())
    path.chmod(0o644)
    assert (await doctor(environment, keys_file=path)).wrong("key ring")["remedy"] == f"chmod 600 {path}"


async def test_a_key_ring_that_changed_lately_is_to_look_at(environment: dict[str, str], tmp_path: Path) -> None:
    save_ring(tmp_path / "keys.json", KeyRing.generate(), age=timedelta(seconds=60))
    found = (await doctor(environment, keys_file=tmp_path / "keys.json")).look("key ring")
    assert found["says"].startswith("the ring changed 6")
    assert "--picked-up SECONDS" in found["remedy"]


async def test_keys_that_nothing_needs_are_to_be_dropped(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ring, [old, _] = KeyRing.generate(), KeyRing.generate().keys

    def retired(days: float) -> SigningKey:
        return replace(old, state="retired", retired_at=datetime.now(UTC) - timedelta(days=days))

    save_ring(path, KeyRing((retired(15), *ring.keys)))
    assert (await doctor(environment, keys_file=path)).look("key ring")[
        "remedy"
    ] == f"`wutang-auth keys drop {old.kid}`"
    save_ring(path, KeyRing((retired(13), *ring.keys)))
    assert "signs, for 13 days" in (await doctor(environment, keys_file=path)).well("key ring")


async def test_keys_of_a_great_age_or_of_the_future_or_shared_are_named(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    save_ring(path, KeyRing.generate(), age=timedelta(days=500))
    assert (await doctor(environment, keys_file=path)).look("key ring")["says"] == "it signs for 500 days"
    save_ring(path, KeyRing(KeyRing.generate().keys[:1]), age=timedelta(days=-1))
    said = await doctor(environment, keys_file=path)
    assert "in the future" in said.wrong("key ring")["says"]
    assert said.look("key ring")["remedy"] == "`wutang-auth keys generate --next`"
    save_ring(path, KeyRing.generate("HS256"))
    assert "shared secret (HS256)" in (await doctor(environment, keys_file=path)).look("key ring")["says"]


async def test_two_spellings_of_one_address_are_wrong(environment: dict[str, str]) -> None:
    url = url_in(environment)
    first, second = await add_user(url), await add_user(url, "grace@wutang.example")
    await query(url, "UPDATE users SET email = 'ADA@wutang.example' WHERE id = $1", second.id)
    found = (await doctor(environment)).wrong("addresses")
    assert found["says"].startswith(f"the users {first.id}, {second.id} have one address in several spellings")
    await query(url, "UPDATE users SET email = 'other@wutang.example' WHERE id = $1", second.id)
    stale = (await doctor(environment)).wrong("addresses")["says"]
    assert stale == f"the address of {second.id} is stored in a form in which nobody finds it"
    assert (await run(environment, "users", "change-email", second.id, "other@wutang.example")).code == 0
    assert (await doctor(environment)).well("addresses")


async def test_addresses_outside_of_ascii_are_well(environment: dict[str, str]) -> None:
    await add_user(url_in(environment), "Ada@MÜNCHEN.example")
    assert (await doctor(environment)).well("addresses") == "each is one user's"


BCRYPT = "jDk7V8GvvPmuQdRTrWn7tuDpsCI8ic7jBzCJDF/tAX60HsTgLsTjK"  # salt and sum


@pytest.mark.parametrize("stored", ["x", "$2y$04$short", f"$2y$31${BCRYPT}", "$argon2id$v=19$m=9999999,t=9,p=1$YQ$YQ"])
async def test_hashes_that_let_nobody_in_are_counted(environment: dict[str, str], stored: str) -> None:
    url = url_in(environment)
    broken, whole, invited = [await add_user(url, f"{name}@wutang.example") for name in ("a", "b", "c")]
    await store_hash(url, stored, user_id=broken.id)
    await store_hash(url, f"$2y$04${BCRYPT}", user_id=whole.id)
    await store_hash(url, "!", user_id=invited.id)
    assert (await doctor(environment)).wrong("password hashes")["says"].startswith("1 user cannot log in")
    await store_hash(url, f"$2y$04${BCRYPT}", user_id=broken.id)
    assert (await doctor(environment)).well("password hashes").startswith("2 2y 04 (")


async def test_a_gateway_that_is_not_trusted_is_found_by_its_sessions(environment: dict[str, str]) -> None:
    url = url_in(environment)
    await fill_users(url, 12)
    await query(
        url,
        "INSERT INTO sessions (user_id, id, expires_at, ip)"
        " SELECT id, gen_random_uuid(), now() + interval '1 day', '10.0.0.7' FROM users",
    )
    found = (await doctor(environment)).wrong("throttle")
    assert found["says"].startswith(
        "12 of the latest 12 sessions were begun from 10.0.0.7, a gateway that is not trusted"
    )
    assert "WUTANG_TRUSTED_PROXIES=10.0.0.7" in found["remedy"]
    trusted = (await doctor(environment, trusted_proxies="10.0.0.0/8")).wrong("throttle")
    assert trusted["remedy"] == "have it set X-Forwarded-For"
    await query(url, "UPDATE sessions SET ip = '198.51.99.7'")
    assert "if it is your gateway" in (await doctor(environment)).look("throttle")["remedy"]
    await query(url, "UPDATE sessions SET ip = '198.51.99.' || user_id")
    assert "several addresses (1 of 12 from one)" in (await doctor(environment)).well("throttle")


async def test_mails_that_do_not_leave_are_wrong(environment: dict[str, str], tmp_path: Path) -> None:
    url = url_in(environment)
    await query(
        url,
        "INSERT INTO mails (kind, email, canonical_email, language, created_at)"
        " VALUES ('reset', 'a@b.example', 'a@b.example', 'zh', now() - interval '90 minutes')",
    )
    assert (await doctor(environment)).wrong("mails")["says"] == "1 mail to be sent, and mail is off"
    mail = {
        "smtp_url": tmp_path.as_uri(), "mail_from": "no-reply@shop.example", "public_url": "https://shop.example",
    }  # fmt: skip
    found = (await doctor(environment, **mail)).wrong("mails")
    assert found["says"] == "1 mail to be sent, the oldest for 90 minutes, tried 0 times"
    await query(url, "UPDATE mails SET created_at = now()")
    assert (await doctor(environment, **mail)).well("mails") == "1 mail to be sent"


async def test_legacy_tokens_are_told_of_where_the_gate_is_open(environment: dict[str, str]) -> None:
    url = url_in(environment)
    assert (await doctor(environment)).of("legacy tokens") == []
    gate = {"legacy_secret": "s" * 32, "legacy_until": (datetime.now(UTC) + timedelta(days=30)).date()}
    assert (await doctor(environment, **gate)).look("legacy tokens")["says"] == "none was seen ever"
    user = await add_user(url)
    await query(url, "INSERT INTO takeover_users (user_id, legacy_seen_at) VALUES ($1, now())", user.id)
    assert (await doctor(environment, **gate)).well("legacy tokens").startswith("1 user came with legacy tokens")
    assert "earlier application" in (await doctor(environment, **gate, legacy_mint=True)).look("legacy tokens")["says"]
    soon = gate | {"legacy_until": (datetime.now(UTC) + timedelta(days=2)).date()}
    assert "they have to log in" in (await doctor(environment, **soon)).look("legacy tokens")["remedy"]
    over = gate | {"legacy_until": "2026-01-01"}
    assert "the gate is shut since" in (await doctor(environment, **over)).look("legacy tokens")["says"]


async def test_sessions_that_are_not_pruned_are_to_look_at(environment: dict[str, str]) -> None:
    url = url_in(environment)
    user = await add_user(url)
    await add_sessions(url, user.id, 2)
    await query(url, "UPDATE sessions SET expires_at = now() - interval '2 hours'")
    assert (await doctor(environment)).look("sessions")["says"].startswith("2 are past their lifetime")


async def test_instances_are_compared(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    save_ring(path, KeyRing.generate())
    async with serving(environment, tmp_path / "log") as process:
        same = await doctor(environment, "--instance", process.base_url + "/")
        other = await doctor(environment, "--instance", process.base_url, keys_file=path)
        elsewhere = await doctor(environment, "--instance", f"{process.base_url}/nowhere")
        await set_revision(url_in(environment), "0001")
        behind = await doctor(environment, "--instance", process.base_url)
    assert same.well("instances") == f"{process.base_url} serves with the same keys, by the same time"
    for key in key_file.load(path).keys:
        assert f"lacks {key.kid}" in other.wrong("instances")["says"]
    assert "is not ready: " in behind.wrong("instances")["says"]
    gone = await doctor(environment, "--instance", process.base_url)
    assert gone.wrong("instances")["says"] == f"{process.base_url} cannot be reached: Connection refused"
    assert elsewhere.wrong("instances")["remedy"] == "correct the URL"


async def test_an_instance_that_is_no_url_is_wrong_usage(environment: dict[str, str]) -> None:
    outcome = await run(environment, "doctor", "--instance", "10.0.0.5")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "must be a URL such as http://10.0.0.5:8000" in outcome.stderr
