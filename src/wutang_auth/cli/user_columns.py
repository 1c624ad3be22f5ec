"""Which column of a file is which field of a user."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wutang_auth.cli.context import CommandError
from wutang_auth.service.user_import import COLUMNS

_NAMES = {"password_hash": ("password_hash", "password", "encrypted_password", "passwordhash")}
"""What a column may be called without being told: of Laravel and Django, of Devise and Supabase, of Auth0."""
HASH_LIKE = re.compile("pass|pwd|hash|digest|encrypted", re.IGNORECASE)

_BEFORE = re.compile("^(?:is|has|account|user)+")
_UNTIL = re.compile("(?:until|till|end|expires|expiresat|expiry)$")
_AFTER = re.compile("(?:at|on|date|time|until|till|end|expires|expiresat|expiry)$")
_DELETED = {"deleted", "softdeleted", "discarded", "trashed"}
_BANS = {
    "ban", "banned", "barred", "blocked", "deactivated", "disabled", "frozen", "inactive", "locked", "lockedout",
    "lockout", "status", "suspended",
}  # fmt: skip
_OPPOSITES = {"active", "activated", "approved", "enabled", "nonlocked"}


class RowError(Exception):
    """Two columns claim to be the same one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of the columns of a row."""

    places: Mapping[str, int]
    """By the field of a user; `enabled` or `disabled_until` instead of `disabled`, where that is what is there."""
    deleted: tuple[int, ...]
    """Where it says that a user is deleted."""
    ignored: frozenset[str]
    """The names of all that is not taken."""


def layout(names: Sequence[str], given: Mapping[str, str], left: Collection[str], *, own: Collection[str]) -> Layout:
    """Find the columns by name, whatever the letter case.

    Args:
        names: As they stand in the file.
        given: For fields of users the name of the column, with `!` before it where it means the opposite.
        left: Columns to leave alone.
        own: Columns of ours that are no fields.

    Raises:
        RowError: a column is there twice.
        CommandError: a column looks like a ban, and neither `given` nor `left` names it.
    """
    folded = [_folded(name) for name in names]
    left = {_folded(name) for name in left}
    places: dict[str, int] = {}
    for field in COLUMNS:
        theirs = given.get(field)
        candidates = _NAMES.get(field, (field,)) if theirs is None else (_folded(theirs.removeprefix("!")),)
        for name in candidates:
            if folded.count(name) > 1:
                raise RowError(f"{name}: is there twice")
            if name in folded and (theirs is not None or name not in left):
                places[_role(field, name, opposite=(theirs or "").startswith("!"))] = folded.index(name)
                break
    free = [
        place for place, name in enumerate(folded)
        if name not in left and name not in own and place not in places.values()
    ]  # fmt: skip
    deleted = tuple(place for place in free if _stem(folded[place]) in _DELETED)
    for place in free:
        _ensure_no_ban(names[place])
    taken = {*places.values(), *deleted}
    ignored = frozenset(
        name.strip() for place, name in enumerate(names) if place not in taken and folded[place] not in own
    )
    return Layout(places, deleted, ignored)


def _role(field: str, name: str, *, opposite: bool) -> str:
    if field != "disabled":
        return field
    if opposite:
        return "enabled"
    return "disabled_until" if _UNTIL.search(_squeezed(name)) else field


def _ensure_no_ban(name: str) -> None:
    spelt, squeezed = name.strip(), _squeezed(_folded(name))
    if _BEFORE.sub("", squeezed) in _OPPOSITES:
        mapping = f"'disabled=!{spelt}'"  # in quotes, since shells have a use for the mark
    elif _stem(squeezed) in _BANS:
        mapping = f"disabled={spelt}"
    else:
        return
    raise CommandError(
        f"the column {spelt} may tell who is shut out; take it over by --column {mapping}, or give --ignore {spelt}"
    )


def _folded(name: str) -> str:
    return name.strip().lower()


def _squeezed(folded: str) -> str:
    return re.sub("[_ -]", "", folded)


def _stem(folded: str) -> str:
    """What is left of a name such as `is_banned` or `banned_until`."""
    return _AFTER.sub("", _BEFORE.sub("", _squeezed(folded)))
