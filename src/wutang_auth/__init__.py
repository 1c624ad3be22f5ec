"""wutang-auth: a JWT authentication service on FastAPI and PostgreSQL."""

from importlib.metadata import version

__version__ = version("wutang-auth")
