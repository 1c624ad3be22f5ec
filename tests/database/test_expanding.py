"""Migrations only add: the version before runs on the schema of the next one, during an upgrade and a rollback."""

import io
import re
from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from wutang_auth.database import migrations

SINCE = "0005"
"""The first migration that is held to it: the one before moves data, and made the rule."""
SCRIPTS = {
    script.revision: script
    for script in ScriptDirectory.from_config(migrations.config()).walk_revisions()
    if script.revision >= SINCE
}
LARGE = {"users", "sessions"}
"""Nobody writes to these while an index is built, unless it is built concurrently."""
VOLATILE = re.compile(r"\b(?:random|clock_timestamp|\w*uuid\w*|nextval)\(", re.IGNORECASE)
"""Defaults for which PostgreSQL writes every row of a table again."""


def statements_of(upgrade: Callable[[], object]) -> list[str]:
    """The SQL of a migration."""
    output = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": output})
    with Operations.context(context):
        upgrade()
    return [" ".join(statement.split()) for statement in output.getvalue().split(";") if statement.strip()]


def not_expanding(statements: Sequence[str]) -> list[str]:
    """Those that take something away which the version before needs, or that stop others for long."""
    new_tables = {found[1] for text in statements if (found := re.match(r"CREATE TABLE (\w+)", text))}
    built = {found[1] for text in statements if (found := re.match(r"CREATE INDEX CONCURRENTLY (\w+)", text))}
    # what stands before an index that is built outside of a transaction is not taken back if the build fails
    beside = [text for text in statements if built and not re.search(r"^(?:BEGIN|COMMIT)$| CONCURRENTLY ", text)]
    return [*beside, *(text for text in statements if not _expands(text, new_tables, built))]


def _expands(text: str, new_tables: set[str], built: set[str]) -> bool:
    if re.match(r"CREATE TABLE |COMMENT ON |BEGIN$|COMMIT$", text):
        return True
    if found := re.match(r"DROP INDEX CONCURRENTLY IF EXISTS (\w+)$", text):
        return found[1] in built  # what an interrupted build left
    if found := re.match(r"CREATE (UNIQUE )?INDEX (CONCURRENTLY )?\w+ ON (\w+)", text):
        is_unique, is_concurrent, table = found.groups()
        return table in new_tables or (not is_unique and (is_concurrent is not None or table not in LARGE))
    if found := re.match(r"ALTER TABLE (\w+) (.*)$", text):
        return found[1] in new_tables or _adds(found[2])
    return False


def _adds(change: str) -> bool:
    """Whether a change of a table that is there leaves it as it is for those who do not know of it."""
    if re.match(r"ALTER COLUMN \w+ SET DEFAULT |SET \(", change):
        return True
    if not change.startswith("ADD COLUMN ") or re.search("UNIQUE|PRIMARY KEY|CHECK|GENERATED", change):
        return False
    return not VOLATILE.search(change) and ("NOT NULL" not in change or "DEFAULT" in change)


@pytest.mark.parametrize("revision", SCRIPTS)
def test_migration_only_adds(revision: str) -> None:
    assert not_expanding(statements_of(SCRIPTS[revision].module.upgrade)) == []


def _timestamp(**options: object) -> "sa.Column[object]":
    return sa.Column("t", sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def _add_table() -> None:
    op.create_table("added", _timestamp())
    op.create_index("ix_t", "added", ["t"], unique=True)


def _build_concurrently() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_t", table_name="sessions", if_exists=True, postgresql_concurrently=True)
        op.create_index("ix_t", "sessions", ["t"], postgresql_concurrently=True)


def _add_column_and_build() -> None:
    op.add_column("sessions", _timestamp())
    _build_concurrently()


@pytest.mark.parametrize(
    "upgrade",
    [
        lambda: op.add_column("sessions", _timestamp(nullable=True)),
        lambda: op.add_column("sessions", _timestamp(nullable=False, server_default=sa.text("now()"))),
        lambda: op.alter_column("sessions", "t", server_default=sa.text("now()")),
        lambda: op.create_index("ix_mails_kind", "mails", ["kind"]),
        _add_table,
        _build_concurrently,
    ],
)
def test_what_adds_is_taken(upgrade: Callable[[], object]) -> None:
    assert not_expanding(statements_of(upgrade)) == []


@pytest.mark.parametrize(
    "upgrade",
    [
        lambda: op.drop_column("sessions", "ip"),
        lambda: op.drop_table("attempts"),
        lambda: op.rename_table("attempts", "tries"),
        lambda: op.drop_index("ix_sessions_expires_at"),
        lambda: op.alter_column("sessions", "ip", nullable=False),
        lambda: op.alter_column("sessions", "ip", type_=sa.Integer()),
        lambda: op.alter_column("sessions", "ip", new_column_name="address"),
        lambda: op.alter_column("sessions", "rotated_at", server_default=None),
        lambda: op.add_column("sessions", _timestamp(nullable=False)),
        lambda: op.add_column("sessions", _timestamp(server_default=sa.text("clock_timestamp()"))),
        lambda: op.add_column("sessions", sa.Column("u", sa.Uuid(), server_default=sa.text("gen_random_uuid()"))),
        lambda: op.add_column("sessions", sa.Column("u", sa.BigInteger(), sa.ForeignKey("users.id"))),
        lambda: op.create_index("ix_t", "sessions", ["ip"]),
        _add_column_and_build,
        lambda: op.create_index("ix_t", "mails", ["email"], unique=True),
        lambda: op.create_unique_constraint("uq_t", "sessions", ["id"]),
        lambda: op.create_check_constraint("ck_t", "sessions", "ip <> ''"),
        lambda: op.execute("UPDATE users SET name = ''"),
    ],
)
def test_what_the_version_before_cannot_live_with_is_found(upgrade: Callable[[], object]) -> None:
    assert not_expanding(statements_of(upgrade)) != []
