"""Writes RESULTS.md again, and the figures in both READMEs, from results.json and growth.json: `make bench-quote`."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report
from goals import FASTIFY, LIMIT, LOGIN, ME, REFRESH, SERVICE, median, ratio

HERE = Path(__file__).parent
FIGURES = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)

COMPARED = (
    [(ME, (FASTIFY, "me")), (ME, (LIMIT, "me"))],
    [(ME, ("fastapi-users-jwt", "me")), (ME, ("fastapi-users-database", "me"))],
    [(ME, ("drf-simplejwt", "me")), (ME, ("flask-jwt-extended", "me"))],
    [(REFRESH, ("fastify-es256", "refresh")), (REFRESH, ("drf-simplejwt", "refresh")), (REFRESH, (LIMIT, "refresh"))],
    [(LOGIN, (FASTIFY, "login")), (LOGIN, ("argon2", ""))],
)
"""What each row compares; the last row, `/me` with many sessions, is from growth.json."""


@dataclass(frozen=True, slots=True)
class Words:
    """The text around the figures in one language."""

    text: str
    head: tuple[str, str]
    rows: tuple[str, ...]


ENGLISH = Words(
    """\
`make bench` measures it beside its peers and beside what the machine can do, in one run, one server process on one
core, with {users} users in the same PostgreSQL. On {cores} cores of {cpu}, on {date}:

{table}

A worker takes {memory} MB after all that, and `serve` gives its first answer {start} s after the start.
Of {goals} goals {met} are met.
""",
    ("requests a second", "wutang-auth has"),
    (
        "`/me`, against Fastify by hand; a bare ASGI application that does the same query and nothing else",
        "`/me`, against fastapi-users with its JWT strategy; with its database strategy",
        "`/me`, against Django REST framework with simplejwt; flask-jwt-extended with a blocklist",
        "refresh, against Fastify by hand with ES256; simplejwt with rotation and blacklist; a bare ASGI application",
        "login, against Fastify by hand; argon2id alone on the same core, by the fastest library",
        "`/me` with 10 million sessions, against 10 thousand (`make bench-growth`)",
    ),
)
CHINESE = Words(
    """\
`make bench` 在同一次运行中,把它与同类项目以及机器的极限放在一起测量:一个服务进程占一个核心,
同一个 PostgreSQL 中有 {users} 个用户。以下结果测于 {date},机器为 {cores} 核 {cpu}:

{table}

经过以上全部负载后,一个 worker 占用 {memory} MB 内存;`serve` 启动 {start} 秒后给出第一个应答。
{goals} 个目标中达到了 {met} 个。
""",
    ("每秒请求数", "wutang-auth 是对方的"),
    (
        "`/me`,对比手写的 Fastify;只做同一条查询的裸 ASGI 应用",
        "`/me`,对比 fastapi-users 的 JWT 策略;数据库策略",
        "`/me`,对比 Django REST framework 加 simplejwt;带黑名单的 flask-jwt-extended",
        "刷新,对比使用 ES256 的手写 Fastify;开启轮换和黑名单的 simplejwt;裸 ASGI 应用",
        "登录,对比手写的 Fastify;同一核心上由最快的库单独计算的 argon2id",
        "有一千万个会话时的 `/me`,对比一万个会话(`make bench-growth`)",
    ),
)


def main() -> None:
    results, growth = (json.loads((HERE / name).read_text("utf-8")) for name in ("results.json", "growth.json"))
    report.write(results, HERE)
    for name, words in (("README.md", ENGLISH), ("README.zh.md", CHINESE)):
        path = HERE.parent / name
        text = path.read_text("utf-8")
        if not FIGURES.search(text):
            raise SystemExit(f"{name} has no place for the figures: <!-- figures --> … <!-- end of figures -->")
        written = figures(results, growth, words).replace("\\", r"\\")
        path.write_text(FIGURES.sub(written, text), "utf-8")
        print(f"Written: the figures in {name}")


def figures(results: dict[str, Any], growth: dict[str, Any], words: Words) -> str:
    """The paragraphs and the table."""
    service, goals = results["contenders"][SERVICE], [goal["met"] for goal in results["goals"]]
    found = ["; ".join(times(ratio(results, *pair)) for pair in pairs) for pairs in COMPARED]
    rates = [rates["me"] for rates in growth["sizes"].values()]  # from the fewest sessions to the most
    found.append(times(median([many / few for few, many in zip(rates[0], rates[-1], strict=True)])))
    return words.text.format(
        users=f"{results['users']:,}",
        cores=results["machine"]["cores"],
        cpu=results["machine"]["cpu"],
        date=results["date"],
        table=report.table(words.head, list(zip(words.rows, found, strict=True))),
        memory=f"{median(service['memories']):.0f}",
        start=f"{median(service['starts']):.1f}",
        goals=len(goals) - goals.count(None),
        met=goals.count(True),
    )


def times(value: float | None) -> str:
    """A ratio as people read it."""
    if value is None:
        return "–"
    return f"{value:.0f} ×" if value >= 10 else f"{value:.1f} ×" if value >= 3 else f"{value:.2f}"


if __name__ == "__main__":
    main()
