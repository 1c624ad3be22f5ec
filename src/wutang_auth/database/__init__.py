"""The way to PostgreSQL: connections with time limits, and statements compiled once."""

from wutang_auth.database.pool import Database, Patience, Transaction, patience
from wutang_auth.database.statement import Statement

__all__ = ["Database", "Patience", "Statement", "Transaction", "patience"]
