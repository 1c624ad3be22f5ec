"""What happens, in the order in which it happens; known neither to HTTP nor to SQL."""

from wutang_auth.service.auth import AuthService, Caller, LoginService
from wutang_auth.service.users import NewUser, UserPage, UserService

__all__ = ["AuthService", "Caller", "LoginService", "NewUser", "UserPage", "UserService"]
