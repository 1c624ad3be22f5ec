"""The way to PostgreSQL: connections with time limits, and the statements that run on them."""

from wutang_auth.database.database import Database
from wutang_auth.database.failure_log import FailureLog
from wutang_auth.database.revision import REVISION, is_enough
from wutang_auth.database.rows import reader
from wutang_auth.database.statement import Statement
from wutang_auth.database.transaction import Transaction

__all__ = ["REVISION", "Database", "FailureLog", "Statement", "Transaction", "is_enough", "reader"]
