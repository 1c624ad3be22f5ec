"""The wiring of second factors, which are imported where they are on only; and what must be there for them."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from wutang_auth.database import Database
from wutang_auth.observability.observers import Observers
from wutang_auth.passwords.workers import Passwords
from wutang_auth.repository import (
    AttemptRepository,
    ChallengeRepository,
    CredentialRepository,
    SessionRepository,
    TotpRepository,
)
from wutang_auth.response_codes import Language
from wutang_auth.service.auth import NeedsFactor
from wutang_auth.service.freshness import FreshnessService
from wutang_auth.service.maintenance import Prune
from wutang_auth.service.session_start import SessionStart
from wutang_auth.service.throttle import Throttle
from wutang_auth.settings import Settings
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing, KeyRingError

if TYPE_CHECKING:
    from wutang_auth.service.factors import FactorAdministration, FactorKeys, FactorServices

_WRITES_USERS = "users:write"


def load_ring(settings: Settings) -> KeyRing:
    """The key ring of the settings.

    Raises:
        KeyRingError: it cannot be used; or there are second factors, and it has no key to encrypt them with.
    """
    ring = key_file.load(settings.keys_file)
    if settings.mfa != "off" and ring.encrypting is None:
        raise KeyRingError(
            f"the key ring {settings.keys_file} has no key that encrypts second factors; add one with "
            f"`wutang-auth keys generate --encryption --file {settings.keys_file}`"
        )
    return ring


def needs_factor(settings: Settings) -> NeedsFactor | None:
    """Who must have a second factor, by the scopes; None: nobody."""
    match settings.mfa:
        case "writers":
            return _writes_users
        case "all":
            return _is_anybody
        case _:
            return None


def _writes_users(scopes: Collection[str]) -> bool:
    return _WRITES_USERS in scopes


def _is_anybody(_scopes: Collection[str]) -> bool:
    return True


def factor_services(
    settings: Settings,
    ring: KeyRing,
    database: Database,
    counters: Database,
    *,
    credentials: CredentialRepository,
    sessions: SessionRepository,
    passwords: Passwords,
    throttle: Throttle,
    starts: SessionStart,
    prunes: list[Prune],
    observers: Observers,
) -> "tuple[FactorServices, FreshnessService]":
    """What there is with second factors, freshness by them included; `throttle` is that of passwords."""
    from wutang_auth.second_factor.secret_box import SecretBox
    from wutang_auth.second_factor.totp import shown_issuer
    from wutang_auth.service import factors

    totps, challenges = TotpRepository(database), ChallengeRepository(database)
    prunes += [challenges.prune, totps.prune]
    box = SecretBox()
    keys = factors.FactorKeys(totps, box)
    keys.use(ring)
    attempts = Throttle(
        AttemptRepository(counters),
        account_allowed_failures=settings.throttle_account_failures,
        address_allowed_failures=settings.throttle_address_failures,
        max_wait=settings.throttle_max_wait,
        reset_after=settings.throttle_reset_after,
        bucket="factor ",
        subject="factor",
        observer=observers.throttled,
    )
    codes = factors.CodeCheck(totps=totps, box=box, throttle=attempts)
    freshness = FreshnessService(
        credentials=credentials, sessions=sessions, passwords=passwords, throttle=throttle,
        max_age=settings.fresh_seconds, codes=codes,
    )  # fmt: skip
    tells_by_mail = settings.smtp_url is not None
    services = factors.FactorServices(
        login=factors.SecondFactorLogin(
            challenges=challenges, codes=codes, starts=starts, logins=throttle, tells_by_mail=tells_by_mail
        ),
        enrolment=factors.FactorService(
            totps=totps,
            box=box,
            freshness=freshness,
            issuer=settings.mfa_issuer or shown_issuer(settings.issuer),
            tells_by_mail=tells_by_mail,
            needs_factor=needs_factor(settings),
        ),
        administration=factors.FactorAdministration(
            totps, mail_language=settings.language if tells_by_mail else None, freshness=freshness
        ),
        keys=keys,
    )
    return services, freshness


def factor_administration(database: Database, *, mail_language: Language | None) -> "FactorAdministration":
    """What operators do with second factors; `mail_language` is that of notices, None: mail is off."""
    from wutang_auth.service.factors import FactorAdministration

    return FactorAdministration(TotpRepository(database), mail_language=mail_language)


def factor_keys(database: Database, ring: KeyRing) -> "FactorKeys":
    """The secrets of second factors and the keys of this ring."""
    from wutang_auth.second_factor.secret_box import SecretBox
    from wutang_auth.service.factors import FactorKeys

    keys = FactorKeys(TotpRepository(database), SecretBox())
    keys.use(ring)
    return keys
