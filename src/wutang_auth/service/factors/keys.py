"""The keys that secrets of second factors are encrypted with: taken from the key ring, missed, exchanged."""

from dataclasses import dataclass, field

from wutang_auth.errors import SecretUnreadable
from wutang_auth.repository import TotpRepository
from wutang_auth.second_factor.secret_box import SealedSecret, SecretBox
from wutang_auth.tokens.key_ring import KeyRing

_PAGE = 500


@dataclass(slots=True)
class Reencryption:
    """What became of the secrets that were encrypted with other keys."""

    done: int = 0
    unreadable: list[str] = field(default_factory=list)
    """One line for each that could not be decrypted."""


class FactorKeys:
    """Brings the keys of a ring and the secrets together."""

    def __init__(self, totps: TotpRepository, box: SecretBox) -> None:
        self._totps = totps
        self._box = box

    def use(self, ring: KeyRing) -> None:
        """Encrypt and decrypt by the keys of this ring from now on."""
        active = ring.encrypting
        self._box.use(
            None if active is None else active.kid,
            {key.kid: key.secret for key in ring.encryption},
            retired=[key.kid for key in ring.encryption if key.state == "retired"],
        )

    async def missing(self) -> list[str]:
        """The keys that some secret is encrypted with and that the ring has not."""
        return [kid for kid in await self._totps.kids() if not self._box.has(kid)]

    async def reencrypt(self, kid: str) -> Reencryption:
        """Encrypt every secret that has another key than `kid`, which is the active one, with that."""
        outcome = Reencryption()
        after = 0
        while page := await self._totps.page(kid=kid, after=after, limit=_PAGE):
            for stored in page:
                try:
                    secret = self._box.open(SealedSecret(stored.kid, stored.secret), user_id=stored.user_id)
                except SecretUnreadable as error:
                    outcome.unreadable.append(str(error))
                    continue
                sealed = self._box.seal(secret, user_id=stored.user_id)
                outcome.done += await self._totps.reencrypt(stored, secret=sealed.content, kid=sealed.kid)
            after = page[-1].user_id
        return outcome
