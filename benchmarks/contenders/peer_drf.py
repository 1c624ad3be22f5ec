"""Django REST framework with simplejwt: refresh tokens rotate, and the old one goes on the blacklist.

As its documentation sets it up, and for speed: DEBUG off, JSON only, only the middleware that an API wants, one
connection for each thread kept open for ever, statements prepared on the server, which Django leaves off by default.
simplejwt asks its blacklist about refresh tokens only, so `/me` reads nothing but the user.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.wsgi import get_wsgi_application
from django.urls import path


class Argon2(Argon2PasswordHasher):
    time_cost = 2
    memory_cost = 19456
    parallelism = 1


def database(url: str) -> dict[str, Any]:
    """`postgresql://user@/name?host=/directory&port=…` as Django wants it."""
    from psycopg.conninfo import conninfo_to_dict

    found = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": found["dbname"],
        "USER": found["user"],
        "HOST": found["host"],
        "PORT": found["port"],
        "CONN_MAX_AGE": None,
        "OPTIONS": {"server_side_binding": True, "prepare_threshold": 5},
    }


settings.configure(
    DEBUG=False,
    SECRET_KEY=os.environ["BENCH_SECRET"],
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_simplejwt.token_blacklist",
    ],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    DATABASES={"default": database(os.environ["BENCH_DATABASE_URL"])},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=[f"{__name__}.Argon2"],
    USE_TZ=True,
    USE_I18N=False,
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
    SIMPLE_JWT={
        "ALGORITHM": "ES256",
        "SIGNING_KEY": Path(os.environ["BENCH_PRIVATE_KEY"]).read_text(),
        "VERIFYING_KEY": Path(os.environ["BENCH_PRIVATE_KEY"]).with_suffix(".pub").read_text(),
        "ACCESS_TOKEN_LIFETIME": timedelta(hours=1),
        "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
    },
)
django.setup()

# Django's models and what imports them are there only after setup()
from django.contrib.auth.models import User  # noqa: E402
from rest_framework.generics import RetrieveAPIView  # noqa: E402
from rest_framework.serializers import ModelSerializer  # noqa: E402
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView  # noqa: E402


class UserSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ("id", "username", "email", "first_name", "is_active", "date_joined")


class Me(RetrieveAPIView):
    serializer_class = UserSerializer

    def get_object(self) -> User:
        return self.request.user


urlpatterns = [
    path("login", TokenObtainPairView.as_view()),
    path("refresh", TokenRefreshView.as_view()),
    path("me", Me.as_view()),
]
application = get_wsgi_application()


def seed() -> None:
    """Make the schema, the users, one outstanding refresh token for each, and the tokens in use."""
    from django.core.management import call_command
    from django.db import connection, transaction
    from rest_framework_simplejwt.tokens import RefreshToken
    from seeding import Plan, email

    plan = Plan.load()
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO auth_user (id, username, email, first_name, last_name, password, is_active, is_staff,
                                      is_superuser, date_joined)
               SELECT i, 'user' || i || '@bench.example', 'user' || i || '@bench.example', 'User ' || i, '', %s,
                      true, false, false, now() FROM generate_series(1, %s::int) i""",
            ["argon2" + plan.password_hash, plan.users],
        )
        cursor.execute(
            """INSERT INTO token_blacklist_outstandingtoken (user_id, jti, token, created_at, expires_at)
               SELECT i, md5(i::text), repeat('x', 300), now(), now() + interval '14 days'
               FROM generate_series(1, %s::int) i""",
            [plan.users],
        )

    def refresh(user: int) -> RefreshToken:
        return RefreshToken.for_user(User.objects.get(username=email(user)))

    with transaction.atomic():
        plan.write("access", (str(refresh(user).access_token) for user in plan.access_users()))
        plan.write("refresh", (str(refresh(user)) for user in plan.refresh_users()))


if __name__ == "__main__":
    seed()
