"""Who sends a request."""

from uuid import UUID

from wutang_auth.fields import Authentication
from wutang_auth.records import record
from wutang_auth.repository import UserRecord


@record
class Caller:
    """Who sends a request, as the database knows it now."""

    user: UserRecord
    session_id: UUID
    authentication: Authentication | None = None
    """How and when it proved who it is; None where there are no second factors."""
