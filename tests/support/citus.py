"""A stand-in for the extension Citus: its functions, with the rules by which it refuses tables, and nothing else."""

from support.database import Target, query

_FUNCTIONS = """
CREATE TABLE spread (name regclass PRIMARY KEY, key text NOT NULL, beside text NOT NULL);

CREATE FUNCTION citus_version() RETURNS text LANGUAGE sql AS 'SELECT ''a stand-in''';

CREATE FUNCTION create_distributed_table(
    table_name regclass, distribution_column text, colocate_with text DEFAULT 'default'
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    key smallint := (SELECT attnum FROM pg_attribute WHERE attrelid = table_name AND attname = distribution_column);
BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indrelid = table_name AND indisunique AND NOT key = ANY (indkey)) THEN
        RAISE EXCEPTION 'cannot create constraint on "%"', table_name USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE contype = 'f' AND conrelid = table_name AND confrelid NOT IN (SELECT name FROM spread)
    ) THEN
        RAISE EXCEPTION 'referenced table must be a distributed table or a reference table'
            USING ERRCODE = 'feature_not_supported';
    END IF;
    INSERT INTO spread VALUES (table_name, distribution_column, colocate_with);
END $$;
"""


async def stand_in(target: Target) -> None:
    """Give a database the functions."""
    for function in _FUNCTIONS.split("\n\n"):
        await query(target, function)


async def spread_tables(target: Target) -> dict[str, tuple[str, str]]:
    """The tables that are spread: the key of each, and beside which other table its rows are."""
    rows = await query(target, "SELECT name::text, key, beside FROM spread")
    return {row["name"]: (row["key"], row["beside"]) for row in rows}


async def wrong_references(target: Target) -> list[str]:
    """Foreign keys from tables that are not spread to those that are, which the extension does not keep."""
    rows = await query(
        target,
        "SELECT conname FROM pg_constraint WHERE contype = 'f'"
        " AND confrelid IN (SELECT name FROM spread) AND conrelid NOT IN (SELECT name FROM spread)",
    )
    return [row["conname"] for row in rows]
