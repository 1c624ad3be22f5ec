"""Second factors: added, asked for at login, removed. Not imported where they are off."""

from dataclasses import dataclass

from wutang_auth.service.factors.administration import FactorAdministration
from wutang_auth.service.factors.codes import CodeCheck
from wutang_auth.service.factors.enrolment import Factors, FactorService, NewTotp
from wutang_auth.service.factors.keys import FactorKeys
from wutang_auth.service.factors.login import SecondFactorLogin, SecondLogin

__all__ = [
    "CodeCheck",
    "FactorAdministration",
    "FactorKeys",
    "FactorService",
    "FactorServices",
    "Factors",
    "NewTotp",
    "SecondFactorLogin",
    "SecondLogin",
]


@dataclass(frozen=True, slots=True)
class FactorServices:
    """What a running application with second factors works with besides."""

    login: SecondFactorLogin
    enrolment: FactorService
    administration: FactorAdministration
    keys: FactorKeys
