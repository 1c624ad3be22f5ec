"""What was promised, and what was found."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

median = statistics.median
Results = dict[str, Any]
By = Literal["rate", "p50", "p99", "server", "postgres"]
Place = tuple[str, str]
"""A contender, and what was measured of it; `argon2` and a library, or nothing for the fastest one."""

SERVICE, LIMIT, FASTIFY, BEFORE = "service", "limit", "fastify", "before"
ME: Place = (SERVICE, "me")


def values(results: Results, place: Place, by: By = "rate") -> list[float]:
    """What was found in each round; empty where it was not measured.

    `rate` is answers a second, `p50` and `p99` are milliseconds, `server` and `postgres` are their CPU microseconds for
    one answer.
    """
    contender, measure = place
    if contender == "argon2":
        return list(results["argon2"][measure or fastest(results)])
    outcomes = results["contenders"].get(contender, {"measures": {}})["measures"].get(measure, [])
    if by in {"server", "postgres"}:
        return [1e6 * each["usage"][by] * each["usage"]["seconds"] / each["requests"] for each in outcomes]
    return [each[by] for each in outcomes]


def ratio(results: Results, ours: Place, other: Place, by: By = "rate") -> float | None:
    """One against another: the median of the ratios of each round, whose turns lie within minutes."""
    pairs = list(zip(values(results, ours, by), values(results, other, by), strict=False))
    return median([our / their for our, their in pairs]) if pairs and all(their for _, their in pairs) else None


def fastest(results: Results) -> str:
    """The library that computes argon2id fastest here."""
    rates: dict[str, list[float]] = results["argon2"]
    return max(rates, key=lambda name: median(rates[name] or [0.0]))


def fact(results: Results, keys: Sequence[str]) -> float | None:
    """Something that was found once, or the median of what was found in each round."""
    place: Any = results
    for key in keys:
        place = place.get(key) if place else None
    return median(place) if isinstance(place, list) and place else place or None


@dataclass(frozen=True, slots=True)
class Goal:
    """A promise."""

    group: str
    what: str
    bound: str
    """`≥` or `≤`, and a number."""
    ours: Sequence[str]
    """A place; without another one the keys of a fact."""
    other: Place | None = None
    by: By = "rate"

    def result(self, results: Results) -> Results:
        """What was found; `met` is None where it was not measured."""
        sign, number = self.bound.split()
        bound, met, by_cpu = float(number.replace(",", "")), None, None
        if self.other is None:
            found = fact(results, self.ours)
        else:
            place = (self.ours[0], self.ours[1])
            found = ratio(results, place, self.other, self.by)
            if self.by == "rate" and self.other[1] == place[1]:  # the same request
                by_cpu = ratio(results, self.other, place, "server")
        if found is not None:
            met = found >= bound if sign == "≥" else found <= bound
        return {
            "group": self.group,
            "what": self.what,
            "goal": self.bound,
            "found": found,
            "met": met,
            "by_cpu": by_cpu,
        }


SPEED, GATEWAY, PEERS = "As fast as by hand", "Behind a gateway", "Beside the peers"
VERIFY: Place = (SERVICE, "verify")
REFRESH: Place = (SERVICE, "refresh")
FLOOD: Place = (SERVICE, "flood")
LOGIN: Place = (SERVICE, "login")
GOALS = (
    Goal(SPEED, "`/me` against the limit", "≥ 0.85", ME, (LIMIT, "me")),
    Goal(SPEED, "`/me` against Fastify by hand", "≥ 1", ME, (FASTIFY, "me")),
    Goal(SPEED, "PostgreSQL's CPU for one `/me`, against before", "≤ 0.3", ME, (BEFORE, "me"), "postgres"),
    Goal(SPEED, "`/me` on one connection: p50 against before", "≤ 1", (SERVICE, "me-1"), (BEFORE, "me-1"), "p50"),
    Goal(SPEED, "login against argon2id alone, by the fastest library", "≥ 0.88", LOGIN, ("argon2", "")),
    Goal(SPEED, "login against Fastify by hand", "≥ 1", LOGIN, (FASTIFY, "login")),
    Goal(SPEED, "refresh against the limit", "≥ 0.8", REFRESH, (LIMIT, "refresh")),
    Goal(SPEED, "refresh against Fastify by hand with ES256", "≥ 0.8", REFRESH, ("fastify-es256", "refresh")),
    Goal(SPEED, "memory after the run, MB", "≤ 80", ("contenders", SERVICE, "memories")),
    Goal(SPEED, "start to the first 200, s", "≤ 0.6", ("contenders", SERVICE, "starts")),
    Goal(SPEED, "`/me` with metrics, against without", "≥ 0.95", ("measured", "me"), ME),
    Goal(SPEED, "`/me` p99 while passwords are guessed, against quiet", "≤ 2.5", FLOOD, (SERVICE, "quiet"), "p99"),
    Goal(GATEWAY, "verify with staleness 1 s, against `/me`", "≥ 1.5", ("stale", "verify"), ME),
    Goal(GATEWAY, "verify with staleness 0, against `/me`", "≥ 1", VERIFY, ME),
    Goal(GATEWAY, "verify through nginx, against verify directly", "≥ 0.6", (SERVICE, "nginx"), VERIFY),
    Goal(GATEWAY, "`Verifier.verify` of tokens seen before, a second", "≥ 150,000", ("verifier", "seen")),
    Goal(GATEWAY, "`Verifier.verify` of new tokens, against ES256 alone", "≥ 0.8", ("verifier", "new_against_es256")),
    Goal(GATEWAY, "answered logout to refusal at a verifier, s: p99", "≤ 3", ("logouts", "p99")),
    Goal(GATEWAY, "answered logout to refusal at a verifier, s: most", "≤ 4", ("logouts", "most")),
    Goal(GATEWAY, "10,000 revocations, KB gzipped", "≤ 250", ("document", "kilobytes")),
    Goal(GATEWAY, "10,000 revocations, ms to build", "≤ 20", ("document", "milliseconds")),
    Goal(PEERS, "`/me` against fastapi-users, JWT strategy", "≥ 5", ME, ("fastapi-users-jwt", "me")),
    Goal(PEERS, "`/me` against fastapi-users, database strategy", "≥ 6", ME, ("fastapi-users-database", "me")),
    Goal(PEERS, "`/me` against Django REST framework with simplejwt", "≥ 5", ME, ("drf-simplejwt", "me")),
    Goal(PEERS, "`/me` against flask-jwt-extended with its blocklist", "≥ 3.5", ME, ("flask-jwt-extended", "me")),
    Goal(PEERS, "refresh against simplejwt, rotating and blacklisting", "≥ 6", REFRESH, ("drf-simplejwt", "refresh")),
    Goal(PEERS, "`/api/response_code` against a static answer", "≥ 0.3", (SERVICE, "static"), (LIMIT, "static")),
)  # fmt: skip
