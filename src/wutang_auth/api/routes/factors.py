"""Routes of second factors."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from wutang_auth.api.bodies import parsed_body
from wutang_auth.api.dependencies import EnrollingCaller, FactorServicesDep, UserId, require_scope
from wutang_auth.api.direct_route import DirectRoute
from wutang_auth.api.documentation.refusals import refusals
from wutang_auth.api.envelope import EmptyEnvelope, language, ok
from wutang_auth.api.refresh_cookie import is_foreign_page, pair_answer
from wutang_auth.api.schemas.factors import (
    CodeBody,
    FactorsEnvelope,
    LoginSecondBody,
    NewTotpEnvelope,
    RecoveryCodesEnvelope,
    SecondTokenPairEnvelope,
    factors_body,
    new_totp_body,
)
from wutang_auth.errors import (
    FactorExists,
    FactorsAreOff,
    InvalidCredentials,
    NotFresh,
    ScopeNotHeld,
    TokenMissing,
    TooManyAttempts,
    WrongCode,
)
from wutang_auth.service import Caller

router = APIRouter(route_class=DirectRoute)


@router.post(
    "/api/auth/login/second",
    tags=["auth"],
    operation_id="login_second",
    response_model=SecondTokenPairEnvelope,
    response_description="A session has begun.",
    responses=refusals(FactorsAreOff, InvalidCredentials, TooManyAttempts),
)
async def login_second(
    request: Request,
    factors: FactorServicesDep,
    body: Annotated[LoginSecondBody, Depends(parsed_body(LoginSecondBody))],
) -> Response:
    """Finish a login by the second factor.

    通过第二因素完成登录

    With the challenge that the login's 403 has told, and a code of the app or a recovery code. A challenge lives five
    minutes and five attempts. A code works once; a recovery code is replaced as it is used, by `new_recovery_code`.
    Whether it was the code or the challenge that is wrong, is not told.
    """
    if body.refresh == "cookie" and is_foreign_page(request):
        # SECURITY: a form of another site could put a session of its own into this browser (login CSRF)
        raise TokenMissing
    done = await factors.login.login_second(
        body.challenge, code=body.code, recovery_code=body.recovery_code, language=language(request)
    )
    more = {"new_recovery_code": done.new_recovery_code}
    return pair_answer(request, done.pair, as_cookie=body.refresh == "cookie", more=more)


@router.get(
    "/api/auth/factors",
    tags=["factors"],
    operation_id="list_factors",
    response_model=FactorsEnvelope,
    response_description="What there is.",
    responses=refusals(FactorsAreOff),
)
async def list_factors(request: Request, factors: FactorServicesDep, caller: EnrollingCaller) -> Response:
    """List the caller's second factors.

    当前用户的第二因素
    """
    return ok(request, factors_body(await factors.enrolment.list_factors(caller)))


@router.post(
    "/api/auth/factors/totp",
    tags=["factors"],
    operation_id="add_totp",
    response_model=NewTotpEnvelope,
    response_description="What the app is to be given; it counts when its first code has come.",
    responses=refusals(FactorsAreOff, NotFresh, FactorExists),
)
async def add_totp(request: Request, factors: FactorServicesDep, caller: EnrollingCaller) -> Response:
    """Begin to add an app that makes codes.

    添加验证器应用

    It is no factor yet: that takes its first code within ten minutes, by `PUT` at the same path. Asked again, it makes
    another secret. Asks for a login or `reauthenticate` within the last `WUTANG_FRESH_SECONDS`.
    """
    return ok(request, new_totp_body(await factors.enrolment.add_totp(caller)))


@router.put(
    "/api/auth/factors/totp",
    tags=["factors"],
    operation_id="confirm_totp",
    response_model=RecoveryCodesEnvelope,
    response_description="From now on logins ask for a code; the other sessions have ended.",
    responses=refusals(FactorsAreOff, WrongCode),
)
async def confirm_totp(
    request: Request,
    factors: FactorServicesDep,
    caller: EnrollingCaller,
    body: Annotated[CodeBody, Depends(parsed_body(CodeBody))],
) -> Response:
    """Add the app, by its first code.

    确认验证器应用

    The answer has the recovery codes, this once. The code is used up by it.
    """
    codes = await factors.enrolment.confirm_totp(caller, body.code, language(request))
    return ok(request, {"recovery_codes": codes})


@router.delete(
    "/api/auth/factors/totp",
    tags=["factors"],
    operation_id="remove_totp",
    response_model=EmptyEnvelope,
    response_description="Logins ask for the password alone.",
    responses=refusals(FactorsAreOff, NotFresh),
)
async def remove_totp(request: Request, factors: FactorServicesDep, caller: EnrollingCaller) -> Response:
    """Remove the app, and the recovery codes with it.

    移除验证器应用

    Asks for a login or `reauthenticate` within the last `WUTANG_FRESH_SECONDS`. 404 where there is none.
    """
    await factors.enrolment.remove_totp(caller, language(request))
    return ok(request)


@router.post(
    "/api/auth/factors/recovery-codes",
    tags=["factors"],
    operation_id="renew_recovery_codes",
    response_model=RecoveryCodesEnvelope,
    response_description="The new codes; the earlier ones count no more.",
    responses=refusals(FactorsAreOff, NotFresh),
)
async def renew_recovery_codes(request: Request, factors: FactorServicesDep, caller: EnrollingCaller) -> Response:
    """Replace all recovery codes.

    重新生成恢复码

    Asks for a login or `reauthenticate` within the last `WUTANG_FRESH_SECONDS`. 404 where there is no app that they
    could stand in for.
    """
    return ok(request, {"recovery_codes": await factors.enrolment.renew_recovery_codes(caller)})


@router.delete(
    "/api/users/{id}/factors",
    tags=["users"],
    operation_id="reset_factors",
    response_model=EmptyEnvelope,
    response_description="The user has no second factor, and its sessions have ended.",
    responses=refusals(FactorsAreOff, NotFresh, ScopeNotHeld),
)
async def reset_factors(
    request: Request,
    factors: FactorServicesDep,
    caller: Annotated[Caller, Depends(require_scope("users:write"))],
    user_id: UserId,
) -> Response:
    """Take every second factor from a user.

    重置用户的第二因素

    For who has lost the phone and the recovery codes. Asks for all scopes that the user has, and for a login or
    `reauthenticate` within the last `WUTANG_FRESH_SECONDS`. A mail tells the user, where mail is on.
    """
    await factors.administration.reset_factors(caller, user_id)
    return ok(request)
