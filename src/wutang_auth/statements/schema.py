"""The statement on Alembic's own table."""

from sqlalchemy import Select, column, select, table

REVISION: Select[tuple[str]] = select(column("version_num")).select_from(table("alembic_version"))
