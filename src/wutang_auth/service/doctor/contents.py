"""What is in the tables: hashes, addresses, where sessions come from, mails, legacy tokens, the size of it."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from wutang_auth.fields import canonical_email, format_timestamp
from wutang_auth.passwords.hashing import is_usable
from wutang_auth.repository.examination import (
    HashForm,
    LegacyFacts,
    Origin,
    StoredAddress,
    TableFacts,
    WaitingMails,
)
from wutang_auth.service.doctor.findings import Finding, look, or_well, well, wrong
from wutang_auth.settings import PREFIX, HttpSettings, LegacySettings

_SLOW_HASH = 0.5  # seconds
_ENOUGH_USERS = 10
_LATE_MAIL = timedelta(minutes=15)
_WEEK = timedelta(days=7)
_LARGE = 256 * 2**20
_BYTES_OF_A_SESSION = 4096  # ten times what one takes with its index entries


def check_hashes(forms: Sequence[HashForm], seconds: Mapping[str, float]) -> list[Finding]:
    """The password hashes by kind and cost.

    Args:
        forms: What there is.
        seconds: How long it takes to compare each of the examples that can be compared.
    """
    usable = [form for form in forms if form.example in seconds]
    shown = ", ".join(f"{form.users:,} {_name(form)} ({1000 * seconds[form.example]:.0f} ms)" for form in usable)
    return or_well(_of_hashes(forms, seconds), "password hashes", shown or "there are none")


def _of_hashes(forms: Sequence[HashForm], seconds: Mapping[str, float]) -> Iterator[Finding]:
    unusable = sum(form.users for form in forms if form.example not in seconds)
    if unusable > 0:
        yield wrong(
            "password hashes",
            f"{_users(unusable)} cannot log in: the hash is of no known form, or of absurd cost",
            "`wutang-auth users send-reset EMAIL`, or `users set-password EMAIL`",
        )
    for form in forms:
        if seconds.get(form.example, 0) > _SLOW_HASH:
            yield look(
                "password hashes",
                f"{_name(form)} takes {seconds[form.example]:.1f} s ({_users(form.users)}), and every refused login"
                " takes as long",
                "each is replaced when its user logs in; mail the others a reset",
            )


def comparable(forms: Iterable[HashForm]) -> list[str]:
    """The examples that can be compared with a password."""
    return [form.example for form in forms if form.form is not None and is_usable(form.example)]


def unlike(addresses: Iterable[StoredAddress]) -> dict[str, set[int]]:
    """The ids of those whose compared form is not the one that it should be, by the one that it should be."""
    found = defaultdict(set)
    for address in addresses:
        if (canonical := canonical_email(address.email)) != address.canonical_email:
            found[canonical].add(address.id)
    return found


def check_addresses(shared: Iterable[Sequence[int]], owners: Mapping[str, set[int]]) -> list[Finding]:
    """Addresses that two users have in different spellings, of whom only one can log in.

    Args:
        shared: The ids of users who have the same address.
        owners: By address the ids of those who should have it, for whom another form is stored, and of those who do.
    """
    colliding = [*map(list, shared), *(sorted(ids) for ids in owners.values() if len(ids) > 1)]
    stale = sorted(id_ for ids in owners.values() if len(ids) == 1 for id_ in ids)
    found = [
        wrong(
            "addresses",
            f"the users {_ids(ids)} have one address in several spellings, and only one of them can log in",
            "`wutang-auth users change-email ID EMAIL` for the others",
        )
        for ids in colliding
    ]
    if stale:
        found.append(
            wrong(
                "addresses",
                f"the address of {_ids(stale)} is stored in a form in which nobody finds it",
                "`wutang-auth users change-email ID EMAIL` with the same address",
            )
        )
    return or_well(found, "addresses", "each is one user's")


def check_origin(origin: Origin | None, failures: int, settings: HttpSettings) -> list[Finding]:
    """Whether the throttle tells clients apart.

    Args:
        origin: The address that most of the latest sessions were begun from.
        failures: How many failed logins are counted for it.
        settings: Which gateways are believed.
    """
    if origin is not None and origin.sessions * 10 < origin.of_all * 9:
        return [
            well("throttle", f"sessions come from several addresses ({origin.sessions} of {origin.of_all} from one)")
        ]
    if origin is None or origin.users < _ENOUGH_USERS:
        return [well("throttle", "too few sessions to see whether clients are told apart")]
    says = f"{origin.sessions} of the latest {origin.of_all} sessions were begun from {origin.ip}"
    counted = f"all clients share its throttle ({failures} failed logins are counted)"
    address = ipaddress.ip_address(origin.ip)
    if any(address in network for network in settings.trusted_proxies):
        says += ", a gateway that does not say for whom"
        return [wrong("throttle", f"{says}: {counted}", "have it set X-Forwarded-For")]
    remedy = f"if it is your gateway: {PREFIX}TRUSTED_PROXIES={origin.ip}, and X-Forwarded-For there"
    if address.is_private:
        return [wrong("throttle", f"{says}, a gateway that is not trusted: {counted}", remedy)]
    return [look("throttle", f"{says}: {counted}", remedy)]


def check_mails(mails: WaitingMails, *, is_on: bool) -> list[Finding]:
    """Whether mails leave."""
    number = f"{mails.number:,} mail{'' if mails.number == 1 else 's'}"
    if not is_on:
        if mails.number == 0:
            return [well("mails", "mail is off")]
        return [
            wrong("mails", f"{number} to be sent, and mail is off", f"{PREFIX}SMTP_URL, or `wutang-auth mails drop`")
        ]
    if mails.oldest is not None and mails.oldest > _LATE_MAIL:
        return [
            wrong(
                "mails",
                f"{number} to be sent, the oldest for {mails.oldest.total_seconds() / 60:.0f} minutes, tried"
                f" {mails.attempts} times",
                "`wutang-auth mails test ADDRESS` says why",
            )
        ]
    return [well("mails", f"{number} to be sent")]


def check_legacy(facts: LegacyFacts, settings: LegacySettings, now: datetime) -> list[Finding]:
    """Whether the gate for tokens of the application that was replaced may be shut."""
    end = settings.legacy_until or now
    seen = (
        f"{_users(facts.seen_last_week)} came with legacy tokens within a week; the gate shuts {format_timestamp(end)}"
    )
    return or_well(_of_legacy(facts, settings, now, end=end, seen=seen), "legacy tokens", seen)


def _of_legacy(
    facts: LegacyFacts, settings: LegacySettings, now: datetime, *, end: datetime, seen: str
) -> Iterator[Finding]:
    remove = f"remove {PREFIX}LEGACY_SECRET and what belongs to it"
    if end <= now:
        yield look("legacy tokens", f"the gate is shut since {format_timestamp(end)}", remove)
    elif facts.seen_last_week == 0:
        last = "ever" if facts.last_seen_at is None else f"since {format_timestamp(facts.last_seen_at)}"
        yield look("legacy tokens", f"none was seen {last}", f"if that is all of them, {remove}")
    elif end - now < _WEEK:
        yield look("legacy tokens", seen, f"a later {PREFIX}LEGACY_UNTIL, or they have to log in")
    if settings.legacy_mint and end > now:
        yield look(
            "legacy tokens",
            "access tokens are made that the earlier application takes too, by its secret",
            f"{PREFIX}LEGACY_MINT=false as soon as nobody wants to go back",
        )


def check_size(tables: Iterable[TableFacts], overdue: int) -> list[Finding]:
    """How much room sessions take, and whether those that are over go.

    Args:
        tables: The tables that were looked at.
        overdue: How many sessions are past their lifetime for more than an hour.
    """
    sessions = next((table for table in tables if table.name == "sessions"), None)
    if sessions is None:
        return []
    size = f"{sessions.bytes / 2**20:,.0f} MiB for about {sessions.live:,}"
    found = []
    if sessions.bytes > max(_LARGE, _BYTES_OF_A_SESSION * sessions.live):
        found.append(
            look("sessions", f"{size}: most of it is empty", "pg_repack, or VACUUM FULL while the service is stopped")
        )
    if overdue > 0:
        found.append(
            look(
                "sessions",
                f"{overdue:,} are past their lifetime for more than an hour, and still there",
                "`wutang-auth sessions prune`; the service does that every ten minutes, its log says why not",
            )
        )
    return or_well(found, "sessions", size)


def _name(form: HashForm) -> str:
    return (form.form or "").strip("$").replace("$", " ")


def _users(number: int) -> str:
    return f"{number:,} user{'' if number == 1 else 's'}"


def _ids(ids: Sequence[int]) -> str:
    shown = ", ".join(map(str, ids[:10]))
    return shown if len(ids) <= 10 else f"{shown} and {len(ids) - 10} more"
