"""Why a token does not pass."""


class VerificationError(Exception):
    """It does not pass, for one of these reasons."""


class InvalidToken(VerificationError):
    """It is no access token of this issuer for this audience: 401."""


class ExpiredToken(VerificationError):
    """It is genuine in everything but its lifetime: 401."""


class RevokedToken(VerificationError):
    """It is genuine, but its session has ended, or a scope was taken away since: 401."""


class StaleView(VerificationError):
    """Nothing can be said of any token now, since what is known of logouts is too old: 503."""
