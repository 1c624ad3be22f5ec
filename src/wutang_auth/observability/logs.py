"""The log: one line an event, as JSON or for people, with nothing in it that a client could forge."""

import json
import logging
import logging.config
import re
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType

from wutang_auth.context import request_context
from wutang_auth.errors import in_words
from wutang_auth.settings import LogSettings

_PLAIN = re.compile("[A-Za-z0-9_.,:@/+-]+")
_ENCODER = json.JSONEncoder(default=str)


def configure(settings: LogSettings) -> None:
    """Send every logger of the process, uvicorn's and Python's warnings included, to stderr in one format."""
    formatter = JsonFormatter if settings.log_format == "json" else ConsoleFormatter
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": formatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": settings.log_level.upper()},
            # alembic tells of its plugins at every start
            "loggers": {
                **{name: {"handlers": [], "propagate": True} for name in ("uvicorn", "uvicorn.error", "py.warnings")},
                "alembic.runtime.plugins": {"level": "WARNING"},
            },
        }
    )
    logging.captureWarnings(True)
    # no format of ours shows them, and finding them out is most of what a record costs
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 -- so says logging's own documentation


class JsonFormatter(logging.Formatter):
    """Each record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; json escapes every control character."""
        request_id = request_context.get().request_id
        line = {
            "time": f"{_timestamp(int(record.created))}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **({"request_id": request_id} if request_id else {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = _error(record)
        return _ENCODER.encode(line)


class ConsoleFormatter(logging.Formatter):
    """Each record as one line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, what happened; control characters escaped."""
        time = _clock(int(record.created))
        parts = [time, f"{record.levelname.lower():<8}", record.getMessage()]
        request_id = request_context.get().request_id
        fields = ({"request_id": request_id} if request_id else {}) | getattr(record, "fields", {})
        parts += [f"{name}={_value(value)}" for name, value in fields.items() if name != "event"]
        if record.exc_info:
            parts.append(_error(record))
        line = " ".join(parts)
        return line if line.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


@lru_cache(maxsize=2)
def _clock(second: int) -> str:
    return datetime.fromtimestamp(second).astimezone().strftime("%H:%M:%S")


@lru_cache(maxsize=2)
def _timestamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _value(value: object) -> str:
    """A value that ends where it seems to."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def places(trace: TracebackType | None) -> str:
    """Where an exception came by, innermost first."""
    return " < ".join(
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(traceback.extract_tb(trace))
    )


def _error(record: logging.LogRecord) -> str:
    _, error, trace = record.exc_info or (None, None, None)
    return f"{in_words(error) if error else 'unknown'} at {places(trace)}"
