"""flask-jwt-extended with its blocklist in the database, on Flask-SQLAlchemy and psycopg.

As its documentation sets it up: every request asks the blocklist about the token's `jti`, then loads the user. Its
refresh returns an access token alone; here it also blocks the old refresh token and issues a new one, as the others do.
The ES256 keys are objects: as PEM text, which the documentation shows, they are parsed again at every request.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask import Flask, Response, jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    current_user,
    get_jwt,
    get_jwt_identity,
    jwt_required,
)
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

private_key: Any = load_pem_private_key(Path(os.environ["BENCH_PRIVATE_KEY"]).read_bytes(), password=None)


class Base(DeclarativeBase):
    pass


app = Flask(__name__)
app.config.update(
    JWT_ALGORITHM="ES256",
    JWT_PRIVATE_KEY=private_key,
    JWT_PUBLIC_KEY=private_key.public_key(),
    JWT_ACCESS_TOKEN_EXPIRES=timedelta(hours=1),
    JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=14),
    SQLALCHEMY_DATABASE_URI=os.environ["BENCH_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"),
    SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 16, "max_overflow": 0},
)
db = SQLAlchemy(app, model_class=Base)
jwt = JWTManager(app)
password_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(db.DateTime(timezone=True))


class TokenBlocklist(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    jti: Mapped[str] = mapped_column(db.String(36), index=True)
    created_at: Mapped[datetime] = mapped_column(db.DateTime(timezone=True))


@jwt.token_in_blocklist_loader
def is_revoked(_header: dict[str, Any], payload: dict[str, Any]) -> bool:
    return db.session.query(TokenBlocklist.id).filter_by(jti=payload["jti"]).scalar() is not None


@jwt.user_lookup_loader
def load_user(_header: dict[str, Any], payload: dict[str, Any]) -> User | None:
    return db.session.get(User, int(payload["sub"]))


def pair(identity: str) -> Response:
    return jsonify(access_token=create_access_token(identity), refresh_token=create_refresh_token(identity))


@app.post("/login")
def login() -> Response | tuple[Response, int]:
    sent = request.get_json()
    user = db.session.query(User).filter_by(email=sent["email"]).one_or_none()
    try:
        password_hasher.verify(user.password_hash if user else "", sent["password"])
    except VerifyMismatchError:
        return jsonify(msg="Wrong e-mail or password"), 401
    return pair(str(user.id))


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh() -> Response:
    db.session.add(TokenBlocklist(jti=get_jwt()["jti"], created_at=datetime.now(UTC)))
    db.session.commit()
    return pair(get_jwt_identity())


@app.get("/me")
@jwt_required()
def me() -> Response:
    return jsonify(
        id=current_user.id,
        email=current_user.email,
        name=current_user.name,
        created_at=current_user.created_at.isoformat(),
    )


def seed() -> None:
    """Make the schema, the users, one blocked token for each, and the tokens in use."""
    from seeding import Plan

    plan = Plan.load()
    with app.app_context():
        db.create_all()
        db.session.execute(
            text(
                """INSERT INTO "user" (id, email, name, password_hash, created_at)
                   SELECT i, 'user' || i || '@bench.example', 'User ' || i, :hash, now()
                   FROM generate_series(1, :users) i"""
            ),
            {"hash": plan.password_hash, "users": plan.users},
        )
        db.session.execute(
            text(
                """INSERT INTO token_blocklist (jti, created_at)
                   SELECT gen_random_uuid()::text, now() FROM generate_series(1, :users)"""
            ),
            {"users": plan.users},
        )
        db.session.commit()
        plan.write("access", (create_access_token(str(user)) for user in plan.access_users()))
        plan.write("refresh", (create_refresh_token(str(user)) for user in plan.refresh_users()))


if __name__ == "__main__":
    seed()
