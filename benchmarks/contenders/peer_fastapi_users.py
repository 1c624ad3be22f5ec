"""fastapi-users on SQLAlchemy and asyncpg, as its documentation sets it up; BENCH_STRATEGY is `jwt` or `database`.

What was added for speed, or for a fair login:

- a pool of 32 connections, as many as requests come at once;
- the ES256 keys as objects: as PEM text, which the documentation shows, they are parsed again at every request;
- an index on lower(email): the login looks the e-mail up so, and without it reads all 100,000 users;
- its default password helper, argon2id, set to the cost that every contender has here.
"""

import hashlib
import os
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.authentication.strategy.db import DatabaseStrategy
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users_db_sqlalchemy.access_token import SQLAlchemyAccessTokenDatabase, SQLAlchemyBaseAccessTokenTableUUID
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from seeding import Plan, in_database
from sqlalchemy import Index, func
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.schema import CreateIndex, CreateTable

LIFETIME = 3600


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


Index("ix_user_email_lower", func.lower(User.email))


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    pass


class UserRead(schemas.BaseUser[uuid.UUID]):
    pass


class UserUpdate(schemas.BaseUserUpdate):
    pass


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = verification_token_secret = os.environ["BENCH_SECRET"]


engine = create_async_engine(
    os.environ["BENCH_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=32, max_overflow=0
)
session_maker = async_sessionmaker(engine, expire_on_commit=False)
password_helper = PasswordHelper(PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19456, parallelism=1),)))
private_key: Any = load_pem_private_key(Path(os.environ["BENCH_PRIVATE_KEY"]).read_bytes(), password=None)
public_key = private_key.public_key()


async def get_session() -> AsyncGenerator[AsyncSession]:
    async with session_maker() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


async def get_user_db(session: SessionDep) -> AsyncGenerator[SQLAlchemyUserDatabase[User, uuid.UUID]]:
    yield SQLAlchemyUserDatabase(session, User)


async def get_user_manager(
    user_db: Annotated[SQLAlchemyUserDatabase[User, uuid.UUID], Depends(get_user_db)],
) -> AsyncGenerator[UserManager]:
    yield UserManager(user_db, password_helper)


async def get_access_token_db(session: SessionDep) -> AsyncGenerator[SQLAlchemyAccessTokenDatabase[AccessToken]]:
    yield SQLAlchemyAccessTokenDatabase(session, AccessToken)


def get_jwt_strategy() -> JWTStrategy[User, uuid.UUID]:
    return JWTStrategy(private_key, LIFETIME, algorithm="ES256", public_key=public_key)


def get_database_strategy(
    access_token_db: Annotated[SQLAlchemyAccessTokenDatabase[AccessToken], Depends(get_access_token_db)],
) -> DatabaseStrategy[User, uuid.UUID, AccessToken]:
    return DatabaseStrategy(access_token_db, LIFETIME)


backend = AuthenticationBackend(
    name="bearer",
    transport=BearerTransport(tokenUrl="auth/login"),
    get_strategy=get_jwt_strategy if os.environ["BENCH_STRATEGY"] == "jwt" else get_database_strategy,
)
users = FastAPIUsers[User, uuid.UUID](get_user_manager, [backend])

app = FastAPI()
app.include_router(users.get_auth_router(backend), prefix="/auth")
app.include_router(users.get_users_router(UserRead, UserUpdate), prefix="/users")


def user_id(user: int) -> uuid.UUID:
    return uuid.UUID(hashlib.md5(str(user).encode()).hexdigest())


def seed(plan: Plan) -> None:
    """Make the schema, the users, one access token in the database for each, and the tokens in use."""

    async def fill(connection: Any) -> None:
        for table in (User.__table__, AccessToken.__table__):
            await connection.execute(str(CreateTable(table).compile(dialect=engine.dialect)))
            for index in table.indexes:
                await connection.execute(str(CreateIndex(index).compile(dialect=engine.dialect)))
        await connection.execute(
            """INSERT INTO "user" (id, email, hashed_password, is_active, is_superuser, is_verified)
               SELECT md5(i::text)::uuid, 'user' || i || '@bench.example', $1, true, false, true
               FROM generate_series(1, $2::int) i""",
            plan.password_hash,
            plan.users,
        )
        await connection.execute(
            """INSERT INTO accesstoken (token, user_id, created_at)
               SELECT translate(rtrim(encode(sha256(i::text::bytea), 'base64'), '='), '+/', '-_'),
                      md5(i::text)::uuid, now()
               FROM generate_series(1, $1::int) i""",
            plan.users,
        )
        rows = await connection.fetch("SELECT user_id, token FROM accesstoken")
        kept = {row["user_id"]: row["token"] for row in rows}
        strategy = get_jwt_strategy()
        tokens = []
        for user in plan.access_users():
            if os.environ["BENCH_STRATEGY"] == "jwt":
                tokens.append(await strategy.write_token(User(id=user_id(user))))
            else:
                tokens.append(kept[user_id(user)])
        plan.write("access", tokens)

    in_database(plan, fill)


if __name__ == "__main__":
    seed(Plan.load())
