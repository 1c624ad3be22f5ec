"""Verifies the access tokens of wutang-auth inside another service, and knows who has logged out since."""

from wutang_auth_verifier.errors import ExpiredToken, InvalidToken, RevokedToken, StaleView, VerificationError
from wutang_auth_verifier.gate import Identity
from wutang_auth_verifier.verifier import Verifier

__all__ = ["ExpiredToken", "Identity", "InvalidToken", "RevokedToken", "StaleView", "VerificationError", "Verifier"]
