"""MariaDB and Redis as sources, real ones; and how long a shop of 100,000 users takes."""

import hashlib
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from support.commands import PROGRAM, Shell
from support.database import query
from support.laravel import PHP_HASH, sha1
from takeover.programs import MariaDb

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

REVOKED = 'a:1:{s:11:"valid_until";i:1700000000;}'
USERS, TOKENS = 100_000, 20_000


@pytest.fixture
def shell(environment: dict[str, str]) -> Shell:
    return Shell(environment)


async def test_users_of_mariadb_come_as_they_are(shell: Shell, shop: MariaDb, database_url: str) -> None:
    shop.execute(
        "INSERT INTO users (id, name, email, email_verified_at, password, created_at, deleted_at) VALUES"
        f" (7, 'Grace Höpper 客户 😀', 'Grace@Shop.example', '2020-01-02 03:04:05', '{PHP_HASH}',"
        " '2019-01-02 03:04:05', NULL), (8, 'Gone', 'gone@shop.example', NULL, '', NULL, '2020-01-02 03:04:05')"
    )
    counts = (await shell(f"takeover users --from {shop.url} --json")).document
    assert (counts["rows"], counts["created"], counts["deleted"]) == (2, 1, 1)
    [user] = await query(database_url, "SELECT * FROM users")
    assert (user["id"], user["name"], user["email"]) == (7, "Grace Höpper 客户 😀", "Grace@Shop.example")
    assert user["password_hash"] == PHP_HASH
    assert user["created_at"] == datetime(2019, 1, 2, 3, 4, 5, tzinfo=UTC)
    shop.execute("DELETE FROM users WHERE id = 7")
    shop.execute(f"INSERT INTO users (id, name, email, password) VALUES (9, 'Ada', 'grace@shop.example', '{PHP_HASH}')")
    counts = (await shell(f"takeover users --from {shop.url} --json")).document
    assert (counts["created"], counts["disabled"]) == (1, 1)


async def test_mariadb_is_told_in_one_line(shell: Shell, shop: MariaDb) -> None:
    wrong = shop.url.replace("p%40ss", "wr0ng")
    error = (await shell(f"takeover users --from {wrong}")).error
    assert error.startswith("MySQL: Access denied for user 'shop'")
    assert "wr0ng" not in error
    error = (await shell(f"takeover users --from {shop.url} --table customers")).error
    assert error == "MySQL: Table 'shop.customers' doesn't exist; nothing was changed"
    by_hand = shop.url.replace(":p%40ss%2Fword%3A1", "")
    assert (await shell(f"takeover users --from {by_hand} --password-stdin", stdin="p@ss/word:1\n")).error.startswith(
        "there are no users there"
    )


async def test_mariadb_that_dies_in_the_middle_changes_nothing(shell: Shell, shop: MariaDb, database_url: str) -> None:
    """Of a view whose later rows cannot be computed, the first thousands arrive."""
    shop.execute("RENAME TABLE users TO people")
    shop.execute(
        "CREATE VIEW users AS SELECT seq AS id, 'Ada' AS name, concat('user', seq, '@shop.example') AS email,"
        f" concat('{PHP_HASH}', if(seq = 5000, (SELECT seq FROM seq_1_to_2), '')) AS password FROM seq_1_to_9000"
    )
    error = (await shell(f"takeover users --from {shop.url}")).error
    assert error == "MySQL: Subquery returns more than 1 row; nothing was changed"
    assert await query(database_url, "SELECT FROM users") == []


@pytest.mark.parametrize(
    "prefix", ["shop_database_shop_cache_:", "laravel_database_laravel_cache_", "shop-database-shop-cache-", ""]
)
async def test_blacklist_in_redis_comes_along(shell: Shell, redis_url: str, database_url: str, prefix: str) -> None:
    tag = hashlib.sha1(b"tag:tymon.jwt:entries").hexdigest()
    random_tag = hashlib.sha1(b"63a1f0e7b1e5a1.22334455").hexdigest()
    client = Redis.from_url(redis_url)
    await client.set(f"{prefix}{tag}:0Rpyi4Xlidt18HaC", REVOKED, ex=86_400)
    await client.set(f"{prefix}{random_tag}:F4QdSNqbPuhfhQbB", 's:7:"forever";')
    await client.set(f"{prefix}{tag}:UTbKXpNZPmVRoXfE", b"\x00\x01broken")
    await client.set(f"{prefix}users:1", "i:5;")
    await client.sadd(f"{prefix}{tag}:By3gJYl4z9JdHX6M", "a set")
    await client.aclose()
    taken = await shell(f"takeover revocations --from {redis_url} --json")
    assert taken.document | {"entries": 0} == {"entries": 0, "revoked": 3, "added": 3, "unreadable": 1}
    assert "s3cret" not in taken.stderr
    rows = await query(database_url, "SELECT digest FROM legacy_tokens")
    expected = {sha1(jti) for jti in ("0Rpyi4Xlidt18HaC", "F4QdSNqbPuhfhQbB", "UTbKXpNZPmVRoXfE")}
    assert {row["digest"] for row in rows} == expected
    wrong = redis_url.replace("s3cret", "wr0ng")
    error = (await shell(f"takeover revocations --from {wrong}")).error
    assert error.startswith("Redis: ")
    assert "wr0ng" not in error


def test_a_hundred_thousand_users_and_twenty_thousand_tokens(environment: dict[str, str], shop: MariaDb) -> None:
    """In less than a minute on two cores, in flat memory; a second run changes nothing, in less than twenty seconds."""
    shop.execute(
        "INSERT INTO users (id, name, email, password, created_at, updated_at) SELECT seq, concat('User ', seq),"
        f" concat('user', seq, '@shop.example'), concat('{PHP_HASH[:-5]}', lpad(seq % 90000 + 10000, 5, '0')),"
        f" '2020-01-02 03:04:05', '2021-01-02 03:04:05' FROM seq_1_to_{USERS}"
    )
    shop.execute(
        f"INSERT INTO cache SELECT concat('shop_cache_', lpad(seq, 16, 'x')), '{REVOKED}', unix_timestamp() + 1209600"
        f" FROM seq_1_to_{TOKENS}"
    )
    shop.execute(f"INSERT INTO cache SELECT concat('page:', seq), 'i:5;', 2000000000 FROM seq_1_to_{TOKENS}")
    small = _run(environment, "takeover", "status", "--json")[1]
    first = _run(environment, "takeover", "users", "--from", shop.url, "--json")
    tokens = _run(environment, "takeover", "revocations", "--from", shop.url, "--json")
    second = _run(environment, "takeover", "users", "--from", shop.url, "--json")
    again = _run(environment, "takeover", "revocations", "--from", shop.url, "--json")
    print(
        f"\n{USERS:,} users {first[0]:.1f} s, {TOKENS:,} tokens {tokens[0]:.1f} s, memory {first[1]:.0f} MB"
        f" (an empty command {small:.0f} MB); again {second[0]:.1f} s and {again[0]:.1f} s"
    )
    assert '"created": 100000' in first[2]
    assert '"added": 20000' in tokens[2]
    assert '"unchanged": 100000' in second[2]
    assert '"added": 0' in again[2]
    assert first[0] + tokens[0] < 60
    assert second[0] + again[0] < 20
    assert max(first[1], second[1]) < small + 60


def _run(environment: dict[str, str], *arguments: str) -> tuple[float, float, str]:
    """Seconds, megabytes at most, and what was said; prints the processor time of the command alone."""
    measured = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=sys.stdout);"
        " used = resource.getrusage(resource.RUSAGE_CHILDREN); print(f'{used.ru_utime + used.ru_stime:.1f}',"
        " file=sys.stderr); print(used.ru_maxrss, file=sys.stderr); sys.exit(done.returncode)"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", measured, *PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    print(f"\n{' '.join(arguments[:2])}: {done.stderr.splitlines()[-2]} s of processor time", end="")
    return time.monotonic() - started, int(done.stderr.splitlines()[-1]) / 1024, done.stdout
