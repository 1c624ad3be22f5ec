"""Create emails, from canonical address to user, and bring every address to its present canonical form.

Revision ID: 0004
Revises: 0003
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from alembic import op

from wutang_auth.errors import DatabaseMisconfigured
from wutang_auth.fields import canonical_email

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_BATCH = 1000

# Only these can have another canonical form than before, which was NFKC and case-folded: beyond ASCII, or with A-labels
# that were not compared with U-labels.
_MAY_CHANGE = "(octet_length(convert_to(email, 'UTF8')) > char_length(email) OR email ILIKE '%xn--%')"


def upgrade() -> None:
    op.create_table(
        "emails",
        sa.Column("canonical_email", sa.Text(), primary_key=True),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
    )
    # Nothing is locked but the few users whose form changes, and those last.
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "INSERT INTO emails (canonical_email, user_id)"
            f" SELECT canonical_email, id FROM users WHERE NOT {_MAY_CHANGE}"
        )
    )
    changed: dict[int, str] = {}
    rivals: dict[str, list[int]] = defaultdict(list)
    for batch in _batches(connection):
        forms = {row.id: canonical_email(row.email) for row in batch}
        claimed = set(connection.execute(sa.text(
            "INSERT INTO emails (user_id, canonical_email)"
            " SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:forms AS text[]))"
            " ON CONFLICT DO NOTHING RETURNING user_id"
        ), {"ids": list(forms), "forms": list(forms.values())}).scalars())  # fmt: skip
        for row in batch:
            if row.id not in claimed:
                rivals[forms[row.id]].append(row.id)
            elif forms[row.id] != row.canonical_email:
                changed[row.id] = forms[row.id]
    if rivals:
        raise DatabaseMisconfigured(_told(connection, rivals))
    _change(connection, changed)


def downgrade() -> None:
    op.drop_table("emails")


def _batches(connection: sa.Connection) -> Iterator[Sequence[sa.Row[int, str, str]]]:
    """The users whose canonical form may change: id, e-mail and the form that they have."""
    after = 0
    statement = sa.text(
        f"SELECT id, email, canonical_email FROM users WHERE id > :after AND {_MAY_CHANGE} ORDER BY id LIMIT {_BATCH}"
    )
    while batch := connection.execute(statement, {"after": after}).fetchall():
        yield batch
        after = batch[-1].id


def _told(connection: sa.Connection, rivals: dict[str, list[int]]) -> str:
    """Who has the same address as who, and what to do."""
    owners = connection.execute(
        sa.text("SELECT canonical_email, user_id FROM emails WHERE canonical_email = ANY(CAST(:forms AS text[]))"),
        {"forms": list(rivals)},
    )
    groups = [sorted([owner, *rivals[form]]) for form, owner in owners]
    emails = connection.execute(
        sa.text("SELECT id, email FROM users WHERE id = ANY(CAST(:ids AS bigint[]))"),
        {"ids": [user_id for group in groups for user_id in group]},
    )
    # SECURITY: control characters that other programs stored would drive the terminal
    unknown = "\N{REPLACEMENT CHARACTER}"
    shown = {
        user_id: f"{user_id} ({''.join(c if c.isprintable() else unknown for c in email)})" for user_id, email in emails
    }
    listed = "; ".join(" and ".join(shown[user_id] for user_id in group) for group in sorted(groups))
    return (
        f"no address was changed, since these users have one e-mail address in several spellings: {listed}; "
        "give all but one of each another one by `wutang-auth users change-email ID EMAIL`, "
        "then run `wutang-auth migrate` again"
    )


def _change(connection: sa.Connection, changed: dict[int, str]) -> None:
    """Write the new forms; by way of forms that nobody has, since one's new form may be another's old one."""
    for new_form in ("'changing ' || changed.id", "changed.form"):
        statement = sa.text(
            f"UPDATE users SET canonical_email = {new_form}"
            " FROM unnest(CAST(:ids AS bigint[]), CAST(:forms AS text[])) AS changed (id, form)"
            " WHERE users.id = changed.id"
        )
        ids = list(changed)
        for start in range(0, len(ids), _BATCH):
            part = ids[start : start + _BATCH]
            connection.execute(statement, {"ids": part, "forms": [changed[user_id] for user_id in part]})
