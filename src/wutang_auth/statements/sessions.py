"""The statements on `sessions`."""

from sqlalchemy import (
    Boolean,
    Double,
    Interval,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)  # fmt: skip
from sqlalchemy.sql.elements import ClauseElement
from sqlmodel import col

from wutang_auth.models import Session, User
from wutang_auth.statements.users import USER_COLUMNS

_this_session = and_(col(Session.user_id) == bindparam("uid"), col(Session.id) == bindparam("sid", type_=Uuid()))
_lives = col(Session.expires_at) > func.now()
_in_grace = (col(Session.rotated_at) + bindparam("grace", type_=Interval()) > func.now()).label("in_grace")

# SECURITY: only if the password just verified is still the user's, and the row is held against a change meanwhile
CREATE = (
    insert(Session)
    .from_select(
        ["user_id", "id", "expires_at", "ip", "user_agent"],
        select(
            col(User.id),
            bindparam("sid", type_=Uuid()),
            func.now() + bindparam("ttl", type_=Interval()),
            bindparam("address", type_=Text()),
            bindparam("agent", type_=Text()),
        )
        .where(
            col(User.id) == bindparam("uid"),
            col(User.password_hash) == bindparam("verified_hash"),
            col(User.disabled_at).is_(None),
        )
        .with_for_update(read=True),
    )
    .returning(col(Session.generation))
)

READ = (
    select(
        *USER_COLUMNS,
        col(Session.generation),
        _in_grace,
        (col(Session.expires_at) <= func.now()).label("has_expired"),
    )
    .join(User, col(User.id) == Session.user_id)
    .where(_this_session)
)

_may_step = and_(col(Session.generation) == bindparam("given"), _lives, col(User.disabled_at).is_(None))
ROTATE: ClauseElement = (
    update(Session)
    .where(_this_session, col(User.id) == Session.user_id)
    .values(
        generation=case((_may_step, col(Session.generation) + 1), else_=col(Session.generation)),
        rotated_at=case((_may_step, func.now()), else_=col(Session.rotated_at)),
    )
    .returning(
        col(Session.generation),
        (col(Session.rotated_at) == func.now()).label("stepped"),
        _in_grace,
        col(User.disabled_at).isnot(None).label("is_disabled"),
        col(User.scopes),
        cast(func.extract("epoch", col(Session.expires_at) - func.now()), Double()).label("lifetime"),
    )
)

_own = select(col(Session.id)).where(_this_session).cte("own")
END = (
    delete(Session)
    .where(
        col(Session.user_id) == bindparam("uid"),
        or_(col(Session.id) == _own.c.id, bindparam("everywhere", type_=Boolean())),
    )
    .returning(col(Session.id), (col(Session.expires_at) <= func.now()).label("has_expired"))
)

END_ALL = delete(Session).where(col(Session.user_id) == bindparam("uid")).returning(col(Session.id))

LIST = (
    select(
        col(Session.id), col(Session.created_at), col(Session.rotated_at), col(Session.expires_at),
        col(Session.ip), col(Session.user_agent),
    )
    .where(col(Session.user_id) == bindparam("uid"), _lives)
    .order_by(col(Session.created_at), col(Session.id))
)  # fmt: skip

_dead = (
    select(col(Session.user_id), col(Session.id))
    .where(col(Session.expires_at) <= func.now())
    .order_by(col(Session.expires_at))
    .limit(bindparam("batch"))
    .with_for_update(skip_locked=True)
)

PRUNE = delete(Session).where(tuple_(col(Session.user_id), col(Session.id)).in_(_dead)).returning(col(Session.id))
