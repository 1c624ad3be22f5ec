"""Authentication: by password, and by the tokens of a session."""

from wutang_auth.service.auth.caller import Caller
from wutang_auth.service.auth.login import LoginService
from wutang_auth.service.auth.sessions import AuthService, NeedsFactor

__all__ = ["AuthService", "Caller", "LoginService", "NeedsFactor"]
