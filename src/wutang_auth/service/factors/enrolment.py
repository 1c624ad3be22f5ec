"""The caller's second factors: what there is, an app added and removed, recovery codes made."""

import asyncio
from dataclasses import dataclass, field

from wutang_auth import audit
from wutang_auth.errors import WrongCode
from wutang_auth.repository import FactorRecord, TotpRepository
from wutang_auth.response_codes import Language
from wutang_auth.second_factor import recovery_codes, totp
from wutang_auth.second_factor.secret_box import SealedSecret, SecretBox
from wutang_auth.service.auth import Caller, NeedsFactor
from wutang_auth.service.freshness import FreshnessService


@dataclass(frozen=True, slots=True)
class Factors:
    """What a user has, and whether it must have one."""

    record: FactorRecord
    is_required: bool


@dataclass(frozen=True, slots=True)
class NewTotp:
    """What an app is to be given."""

    secret: str = field(repr=False)
    """For who types it."""
    uri: str = field(repr=False)
    """The same as a URI."""
    qr: str = field(repr=False)
    """The same as a QR code, in SVG."""


class FactorService:
    """What users do with their own second factors."""

    def __init__(
        self,
        *,
        totps: TotpRepository,
        box: SecretBox,
        freshness: FreshnessService,
        issuer: str,
        tells_by_mail: bool,
        needs_factor: NeedsFactor | None,
    ) -> None:
        """`issuer` is what apps call the account beside its e-mail; `tells_by_mail`: users hear of changes by mail.

        `needs_factor` tells who must have a second factor; None: nobody.
        """
        self._totps = totps
        self._box = box
        self._freshness = freshness
        self._issuer = issuer
        self._tells_by_mail = tells_by_mail
        self._needs_factor = needs_factor

    async def list_factors(self, caller: Caller) -> Factors:
        """What the caller has.

        Raises:
            NotFound: the caller was deleted meanwhile.
        """
        is_required = self._needs_factor is not None and self._needs_factor(caller.user.scopes)
        return Factors(await self._totps.list(caller.user.id), is_required)

    async def add_totp(self, caller: Caller) -> NewTotp:
        """Make a secret for the caller's app; it is no factor before the first code has come, within ten minutes.

        Raises:
            NotFresh: the last proof of who the caller is lies too far back.
            FactorExists: there is an app already.
        """
        await self._freshness.ensure(caller)
        user = caller.user
        secret = totp.new_secret()
        sealed = self._box.seal(secret, user_id=user.id)
        await self._totps.add(user.id, secret=sealed.content, kid=sealed.kid)
        uri = totp.uri(secret, issuer=self._issuer, account=user.email)
        from wutang_auth.second_factor import qr_code  # late: only who adds an app needs it

        return NewTotp(totp.secret_text(secret), uri, await asyncio.to_thread(qr_code.svg, uri))

    async def confirm_totp(self, caller: Caller, code: str, language: Language) -> list[str]:
        """Count the app as a factor by its first code; the other sessions end. Returns the recovery codes, once.

        Raises:
            WrongCode: it is another one, or nothing waits for a code, or it has waited too long.
        """
        user_id = caller.user.id
        stored = await self._totps.find_unconfirmed(user_id)
        if stored is None:
            raise WrongCode
        secret = self._box.open(SealedSecret(stored.kid, stored.secret), user_id=user_id)
        step = totp.matching_step(secret, code, stored.at)
        if step is None:
            raise WrongCode
        codes = recovery_codes.new_codes()
        await self._totps.confirm(
            stored,
            step=step,
            digests=[recovery_codes.digest_of(code) for code in codes],
            amr=("pwd", "otp", "mfa"),
            keep_session=caller.session_id,
            notify_in=language if self._tells_by_mail else None,
        )
        audit.record("factor_added", user_id=user_id, session_id=caller.session_id, reason="totp")
        return codes

    async def remove_totp(self, caller: Caller, language: Language) -> None:
        """Remove the app, and the recovery codes with it.

        Raises:
            NotFresh: the last proof of who the caller is lies too far back.
            NotFound: there is none.
        """
        await self._freshness.ensure(caller)
        await self._totps.remove(caller.user.id, notify_in=language if self._tells_by_mail else None)
        audit.record("factor_removed", user_id=caller.user.id, session_id=caller.session_id, reason="totp")

    async def renew_recovery_codes(self, caller: Caller) -> list[str]:
        """Replace all recovery codes, and return the new ones, once.

        Raises:
            NotFresh: the last proof of who the caller is lies too far back.
            NotFound: there is no app that they could stand in for.
        """
        await self._freshness.ensure(caller)
        codes = recovery_codes.new_codes()
        await self._totps.renew_codes(caller.user.id, [recovery_codes.digest_of(code) for code in codes])
        audit.record("recovery_codes_renewed", user_id=caller.user.id, session_id=caller.session_id)
        return codes
