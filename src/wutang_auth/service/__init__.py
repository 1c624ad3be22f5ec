"""What happens, in the order in which it happens; known neither to HTTP nor to SQL."""

from wutang_auth.service.auth import AuthService, Caller

__all__ = ["AuthService", "Caller"]
