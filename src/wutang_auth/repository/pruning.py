"""The SQL that deletes dead rows, some at a time."""


def delete_dead(table: str, key: str, dead: str, *, oldest: str = "expires_at", spread: bool = False) -> str:
    """SQL: deletes at most `$batch` rows of a table for which a condition holds, the oldest first.

    Rows that somebody else holds are left for the next time. Nobody waits for anybody in a circle then: a request that
    deletes rows of one user may take them in another order.

    Args:
        table: Where they are.
        key: The columns of its key, between commas; they are returned.
        dead: The condition.
        oldest: The column that tells their age.
        spread: The table is spread over several servers, whose engines refuse FOR UPDATE across them.
    """
    return f"""
        WITH dead AS MATERIALIZED (
            SELECT {key} FROM {table} WHERE {dead} ORDER BY {oldest} LIMIT $batch
            {"" if spread else "FOR UPDATE SKIP LOCKED"}
        )
        DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM dead)
        RETURNING {key}
    """
