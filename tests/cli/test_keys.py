"""The commands for the key ring."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.commands import run
from wutang_auth.cli import keys as keys_command
from wutang_auth.tokens import base64url, key_file
from wutang_auth.tokens.key_ring import KeyRing


async def test_keys_generate_and_list(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made = (await run({}, "keys", "generate", "--file", path)).said
    ring = key_file.load(path)
    assert made == f"wrote {path}: ES256 key {ring.active.kid} signs, another is ready to follow"

    listed = await run({"WUTANG_KEYS_FILE": str(path)}, "keys", "list", "--json")
    assert [(row["kid"], row["alg"], row["state"]) for row in listed.document] == [
        (key.kid, "ES256", key.state) for key in ring.keys
    ]
    table = (await run({}, "keys", "list", "--file", path)).said
    assert [line.split()[:3] for line in table.splitlines()] == [
        ["kid", "alg", "state"],
        *([key.kid, "ES256", key.state] for key in ring.keys),
    ]
    for key in ring.keys:
        assert key.members["d"] not in listed.stdout + table + made


async def test_kid_may_begin_with_a_hyphen(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    while not (ring := KeyRing.generate("HS256")).keys[1].kid.startswith("-"):
        pass
    kid = ring.keys[1].kid
    key_file.save(ring, path)
    assert (await run({}, "keys", "retire", kid, "--file", path)).said == f"retired {kid}"
    assert (await run({}, "keys", "drop", "--force", kid, "--file", path)).said == f"dropped {kid}"
    assert (await run({}, "keys", "drop", kid, "--fiel", path)).code == 2


async def test_keys_generate_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    kept = KeyRing.generate("HS256")
    key_file.save(kept, path)
    refused = (await run({}, "keys", "generate", "--file", path)).error
    assert refused == f"{path} exists; --force replaces it and makes every token it signed invalid"
    assert (await run({}, "keys", "generate", "--if-missing", "--file", path)).code == 0
    assert key_file.load(path) == kept
    assert (await run({}, "keys", "generate", "--force", "--alg", "RS256", "--file", path)).code == 0
    assert key_file.load(path).active.alg == "RS256"


async def test_keys_generate_knows_its_algorithms(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    wrong = await run({}, "keys", "generate", "--alg", "none", "--file", path)
    assert (wrong.code, wrong.stdout) == (2, "")
    assert "ES256, RS256, HS256" in wrong.stderr
    assert not path.exists()


async def test_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = await run({}, "keys", "generate", "--file", tmp_path / "file" / "keys.json")
    assert "cannot be written" in failed.error


def test_changes_at_once_all_happen(tmp_path: Path) -> None:
    """Each waits for the one before it, although the file is a new one after every change."""
    path = tmp_path / "keys.json"
    key_file.save(KeyRing.generate("HS256"), path)
    with ThreadPoolExecutor(12) as threads:
        for done in [threads.submit(keys_command.rotate, file=path, force=True, data_dir=tmp_path) for _ in range(12)]:
            done.result()
    assert [key.state for key in key_file.load(path).keys].count("retired") == 12


def aged(path: Path, seconds: float) -> None:
    """The ring in this file, as if it had been made so many seconds ago."""
    made = datetime.now(UTC) - timedelta(seconds=seconds)
    key_file.save(KeyRing(tuple(replace(key, created_at=made) for key in key_file.load(path).keys)), path)


async def test_rotation_waits_until_the_last_ring_is_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ring = KeyRing.generate()
    key_file.save(ring, path)
    rotate = ("keys", "rotate", "--file", path)
    too_early = r"the next key is \d+ s old, and not every service may have it before (\d+) s: wait (\d+) s, or --force"

    def waiting(refusal: str) -> tuple[int, int]:
        found = re.fullmatch(too_early, refusal)
        assert found, refusal
        return int(found[1]), int(found[2])

    assert waiting((await run({}, *rotate)).error)[0] == 5
    aged(path, 40)
    needed, left = waiting((await run({}, *rotate, "--picked-up", 120)).error)
    assert (needed, left <= 81) == (120, True)  # whole seconds count
    assert key_file.load(path).active.kid == ring.active.kid

    aged(path, 121)
    following = ring.keys[1].kid
    said = (await run({}, *rotate, "--picked-up", 120)).said
    assert said == f"{following} signs; {ring.active.kid} is retired; a fresh key is next"
    needed, left = waiting((await run({}, *rotate, "--picked-up", 120)).error)
    assert 60 < left <= needed == 120
    assert key_file.load(path).active.kid == following
    assert (await run({}, *rotate, "--picked-up", 120, "--force")).code == 0


async def test_rotation_counts_no_seconds_below_none(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key_file.save(KeyRing.generate(), path)
    assert (await run({}, "keys", "rotate", "--file", path, "--picked-up", "-1")).code == 2
    assert (await run({}, "keys", "rotate", "--file", path, "--picked-up", "0")).code == 0


async def test_the_key_that_encrypts_is_added_once_listed_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    none = (await run({}, "keys", "rotate", "--encryption", "--file", path)).error
    assert "does not exist" in none
    key_file.save(KeyRing.generate(), path)
    assert (
        "`keys generate --encryption` adds one"
        in (await run({}, "keys", "rotate", "--encryption", "--file", path)).error
    )
    assert "keys generate --encryption" in (await run({}, "keys", "reencrypt", "--file", path)).error
    said = (await run({}, "keys", "generate", "--encryption", "--file", path)).said
    first, second = key_file.load(path).encryption
    assert said == f"added the key {first.kid}, which encrypts second factors, and the one that will follow it"
    assert "already" in (await run({}, "keys", "generate", "--encryption", "--file", path)).error
    listed = await run({}, "keys", "list", "--file", path, "--json")
    assert [(row["kid"], row["alg"], row["state"]) for row in listed.document[2:]] == [
        (first.kid, "A256GCM", "active"), (second.kid, "A256GCM", "next"),
    ]  # fmt: skip
    assert base64url.encode(first.secret) not in listed.stdout
    assert "is the key that encrypts" in (await run({}, "keys", "drop", first.kid, "--force", "--file", path)).error


async def test_a_ring_that_is_replaced_keeps_the_keys_that_encrypt(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    kept = KeyRing.generate().with_encryption()
    key_file.save(kept, path)
    assert (await run({}, "keys", "generate", "--force", "--file", path)).code == 0
    ring = key_file.load(path)
    assert ring.encryption == kept.encryption
    assert ring.active.kid != kept.active.kid
    path.write_text("{}")
    outcome = await run({}, "keys", "generate", "--force", "--file", path)
    assert outcome.code == 0
    assert "if it had keys that encrypt second factors, they are lost" in outcome.stderr
    assert key_file.load(path).encryption == ()
