"""The statements of a takeover from a running application."""

from wutang_auth.repository.takeover.takeovers import Run, TakeoverRepository, TakeoverStatus
from wutang_auth.repository.takeover.tokens import RevokedTokens
from wutang_auth.repository.takeover.users import Conflict, Merged, Takeover, TakeoverRunning

__all__ = [
    "Conflict",
    "Merged",
    "RevokedTokens",
    "Run",
    "Takeover",
    "TakeoverRepository",
    "TakeoverRunning",
    "TakeoverStatus",
]
