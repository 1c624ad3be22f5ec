"""Kind 5: one address in two spellings of its domain is one account."""

import json
from pathlib import Path

import pytest

from support.commands import run
from support.http import assert_refused, success
from support.services import Instance, Start
from support.users import PASSWORD, Login, add_user, administrator, create, log_in, update

HASH = "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

# as a form or an administrator writes it, and as a browser sends it
TYPED = "info@münchen.example"
SENT = "info@xn--mnchen-3ya.example"
PAIRS = [
    pytest.param(TYPED, SENT, id="5: U-label and A-label"),
    pytest.param(TYPED, "info@mu\u0308nchen.example", id="5: composed and decomposed"),
    pytest.param(TYPED, "INFO@XN--MNCHEN-3YA.EXAMPLE", id="5: upper-case A-label"),
    pytest.param("info@xn--mnchen-3ya.example", "info@MÜNCHEN.example", id="5: upper-case U-label"),
    pytest.param(TYPED, "ｉｎｆｏ@ｍüｎｃｈｅｎ．ｅｘａｍｐｌｅ", id="5: full-width"),
    pytest.param("info@例子.中国", "info@例子。中国", id="5: ideographic dot"),
    pytest.param("info@例子.中国", "info@xn--fsqu00a｡xn--fiqs8s", id="5: half-width ideographic dot"),
    pytest.param("李雷@例子.中国", "李雷@xn--fsqu00a.XN--FIQS8S", id="5: local part beyond ASCII"),
    pytest.param("a@straße.example", "a@xn--strae-oqa.example", id="5: a sharp s stays one"),
    pytest.param("a@όσος.example", "a@xn--0xagb9a.example", id="5: a final sigma stays one"),
    pytest.param("a@نامه\u200cای.example", "a@xn--mgba3gch31f060k.example", id="5: a joiner stays one"),
    pytest.param("a@büro.ab--cd.example", "a@xn--bro-hoa.ab--cd.example", id="5: hyphens in places three and four"),
]


@pytest.fixture(scope="module")
async def root(shared_service: Instance) -> Login:
    """An administrator of the service that tests of this file share."""
    return await administrator(shared_service)


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_5_account_is_found_by_both_spellings(service: Instance, one: str, other: str) -> None:
    root = await administrator(service)
    for has, types in ((one, other), (other, one)):
        user = await create(service, root, email=has, password=PASSWORD)
        await log_in(service.client, types)
        found = success(await service.client.get("/api/users", params={"email": types}, headers=root.headers))
        assert [shown["id"] for shown in found["items"]] == [user["id"]]
        again = {"email": types, "password": PASSWORD}
        assert_refused(await service.client.post("/api/users", json=again, headers=root.headers), 409, 10003)
        other_user = await create(service, root)
        assert_refused(await update(service, root, other_user["id"], email=types), 409, 10003)
        for made in (user, other_user):
            success(await service.client.delete(f"/api/users/{made['id']}", headers=root.headers))


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_5_import_knows_both_spellings(
    service: Instance, environment: dict[str, str], tmp_path: Path, one: str, other: str
) -> None:
    await add_user(service.settings, one)
    file = tmp_path / "users.jsonl"
    rows = [
        {"email": other, "password_hash": HASH},
        {"id": 4711, "email": "new." + one, "password_hash": HASH},
        {"id": 4712, "email": "new." + other, "password_hash": HASH},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = await run(environment, "users", "import", file, "--json")
    assert {name: outcome.document[name] for name in ("created", "unchanged", "rejected")} == {
        "created": 1, "unchanged": 1, "rejected": 1,
    }  # fmt: skip
    [rejected] = (tmp_path / "users.jsonl.rejects.jsonl").read_text().splitlines()
    assert json.loads(rejected)["reason"] == "email: the same as in line 2"


async def test_5_throttle_counts_both_spellings_together(start: Start) -> None:
    service = await start(throttle_account_failures=2)
    await add_user(service.settings, TYPED)
    statuses = [
        (await service.client.post("/api/auth/login", json={"email": spelling, "password": "wrong"})).status_code
        for spelling in (TYPED, SENT, "INFO@ＭÜNCHEN。example", SENT.upper())
    ]
    assert statuses == [401, 401, 429, 429]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a@straße.example", "a@strasse.example"),
        ("a@xn--strae-oqa.example", "a@strasse.example"),
        ("a@όσος.example", "a@όσοσ.example"),
        ("a@münchen.example", "a@munchen.example"),
        ("a@xn--mnchen-3ya.example", "a@xn--mnchen-3yb.example"),
    ],
)
async def test_5_other_domains_are_other_accounts(service: Instance, one: str, other: str) -> None:
    root = await administrator(service)
    first = await create(service, root, email=one)
    second = await create(service, root, email=other)
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    "email",
    [
        "a@münchen..example", "a@münchen.example.", "a@。example", "a@mün chen.example", "a@mün_chen.example",
        "a@x_y.example", "a@-x.example", "a@x-.example", "a@[127.0.0.1]", "a@é" + "x" * 63 + ".example",
        "a@" + "é." * 100 + "example", "a@x\u200dy.example", "a@é\u00ad.example", "a@é＠x.example", "a@xn--é.example",
    ],
    ids=ascii,
)  # fmt: skip
async def test_5_what_is_no_domain_is_no_address(shared_service: Instance, root: Login, email: str) -> None:
    body = {"email": email, "password": PASSWORD}
    response = await shared_service.client.post("/api/users", json=body, headers=root.headers)
    assert [error["field"] for error in assert_refused(response, 422, 10001)["errors"]] == ["email"]
