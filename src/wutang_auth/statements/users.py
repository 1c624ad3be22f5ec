"""The statements on `users`."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    DateTime,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)  # fmt: skip
from sqlmodel import col

from wutang_auth.models import Session, User

# in the order of the repository's UserRecord
USER_COLUMNS = (
    col(User.id), col(User.name), col(User.email), col(User.email_verified_at), col(User.scopes), col(User.disabled_at),
    col(User.created_at), col(User.updated_at),
)  # fmt: skip

_credentials = select(
    col(User.id), col(User.password_hash), col(User.scopes), col(User.disabled_at).isnot(None).label("is_disabled")
)

CREDENTIALS = _credentials.where(col(User.canonical_email) == bindparam("canonical"))

CREDENTIALS_OF = _credentials.where(col(User.id) == bindparam("uid"))

HASHES = select(col(User.password_hash)).order_by(col(User.id)).limit(1000)

UPGRADE_HASH = (
    update(User)
    .where(col(User.id) == bindparam("uid"), col(User.password_hash) == bindparam("verified_hash"))
    .values(password_hash=bindparam("new_hash"))
    .returning(col(User.id))
)

CREATE = (
    insert(User)
    .values(
        email=bindparam("email"), canonical_email=bindparam("canonical"), name=bindparam("name"),
        password_hash=bindparam("password_hash"), scopes=bindparam("scopes"),
        disabled_at=case((bindparam("disabled", type_=Boolean()), func.now())),
        email_verified_at=bindparam("email_verified_at"),
    )
    .returning(*USER_COLUMNS)
)  # fmt: skip

GET = select(*USER_COLUMNS).where(col(User.id) == bindparam("uid"))

FIND = select(*USER_COLUMNS).where(col(User.canonical_email) == bindparam("canonical"))

REPLACE_PASSWORD = (
    update(User)
    .where(
        col(User.id) == bindparam("uid"),
        col(User.password_hash) == bindparam("verified_hash"),
        col(User.disabled_at).is_(None),
    )
    .values(password_hash=bindparam("new_hash"), updated_at=func.now())
    .returning(col(User.id))
)

CHANGE_SCOPES = (
    update(User)
    .where(col(User.id) == bindparam("uid"))
    .values(
        scopes=text(
            "ARRAY(SELECT scope FROM (SELECT unnest(users.scopes) UNION SELECT unnest(CAST(:given AS text[]))"
            ' EXCEPT SELECT unnest(CAST(:taken AS text[]))) AS kept (scope) ORDER BY scope COLLATE "C")'
        ),
        updated_at=func.now(),
    )
    .returning(*USER_COLUMNS)
)

LIST = select(*USER_COLUMNS).where(col(User.id) > bindparam("after")).order_by(col(User.id)).limit(bindparam("most"))

LIST_EMAIL = select(*USER_COLUMNS).where(
    col(User.canonical_email) == bindparam("canonical"), col(User.id) > bindparam("after")
)

EXPORT = (
    select(*USER_COLUMNS, col(User.password_hash))
    .where(col(User.id) > bindparam("after"))
    .order_by(col(User.id))
    .limit(bindparam("most"))
)

# SECURITY: in the statement itself, so that no scope taken away meanwhile is given back by one who lacks it
_held = bindparam("held", type_=ARRAY(Text()))
_new_scopes = bindparam("new_scopes", type_=ARRAY(Text()))
_within_held = or_(
    _held.is_(None),
    and_(
        or_(_new_scopes.is_(None), _new_scopes.bool_op("<@")(func.array_cat(col(User.scopes), _held))),
        # whoever sets the password of a user, or where its mail goes, can be that user
        or_(
            and_(
                bindparam("new_hash", type_=Text()).is_(None),
                func.coalesce(bindparam("canonical", type_=Text()), col(User.canonical_email))
                == col(User.canonical_email),
            ),
            col(User.scopes).bool_op("<@")(_held),
        ),
    ),
)

_new_verified = bindparam("new_verified", type_=DateTime(timezone=True))
UPDATE = (
    update(User)
    .where(col(User.id) == bindparam("uid"), _within_held)
    .values(
        name=func.coalesce(bindparam("new_name", type_=Text()), col(User.name)),
        email=func.coalesce(bindparam("new_email", type_=Text()), col(User.email)),
        canonical_email=func.coalesce(bindparam("canonical", type_=Text()), col(User.canonical_email)),
        password_hash=func.coalesce(bindparam("new_hash", type_=Text()), col(User.password_hash)),
        scopes=func.coalesce(_new_scopes, col(User.scopes)),
        email_verified_at=case(
            (bindparam("clear_verified", type_=Boolean()), None),
            (_new_verified.isnot(None), _new_verified),
            # another address has yet to be verified; another spelling has not
            (bindparam("canonical", type_=Text()) != col(User.canonical_email), None),
            else_=col(User.email_verified_at),
        ),
        disabled_at=case(
            (bindparam("disabled", type_=Boolean()).is_(None), col(User.disabled_at)),
            (bindparam("disabled", type_=Boolean()), func.coalesce(col(User.disabled_at), func.now())),
        ),
        updated_at=func.now(),
    )
    .returning(*USER_COLUMNS)
)

# sessions that a concurrent login adds are seen: the statement before it locked the user's row and waited for them
END_OTHERS = delete(Session).where(
    col(Session.user_id) == bindparam("uid"),
    col(Session.id).is_distinct_from(bindparam("kept", type_=Uuid())),
)

DELETE = delete(User).where(col(User.id) == bindparam("uid")).returning(col(User.id))
