"""`wutang-auth doctor`: one page of what is well and what is not, with what to do."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wutang_auth import settings as settings_module
from wutang_auth.cli.context import (
    COMMAND_LIMITS,
    DATA_DIR,
    DEV_URL,
    AsJson,
    CommandError,
    DataDir,
    dev_database,
    mail_defaults,
    run_with,
)
from wutang_auth.cli.output import document, say
from wutang_auth.database import Database
from wutang_auth.factory import THROTTLE_CONNECTIONS
from wutang_auth.settings import DatabaseSettings, Settings, SettingsError

if TYPE_CHECKING:
    from wutang_auth.service.doctor import Finding

Instances = Annotated[
    list[str],
    typer.Option(
        "--instance", metavar="URL", help="A running instance, such as http://10.0.0.5:8000; may be repeated."
    ),
]

_MARKS = {"well": "✓", "look": "!", "wrong": "✗"}


def doctor(instance: Instances = [], *, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:  # noqa: B006 -- never changed
    """Look at settings, keys, database and clocks, and say what to do; exit code 1 if something is wrong."""
    if wrong_urls := [url for url in instance if not url.startswith(("http://", "https://"))]:
        raise typer.BadParameter(f"must be a URL such as http://10.0.0.5:8000, not {wrong_urls[0]}")
    logging.getLogger("wutang_auth").addHandler(logging.NullHandler())  # what would be logged stands on the page
    found = _examine(instance, data_dir)
    is_well = all(finding.verdict != "wrong" for finding in found)
    if as_json:
        document({"well": is_well, "findings": [asdict(finding) for finding in found]})
    else:
        _print(found)
    raise typer.Exit(0 if is_well else 1)


def _examine(instances: Sequence[str], data_dir: Path) -> "list[Finding]":
    from wutang_auth.service.doctor import wrong

    try:
        with dev_database(data_dir) as url:
            return _findings(url, data_dir, instances)
    except (SettingsError, CommandError) as error:
        return [wrong("settings", f"{error}; the rest was not looked at")]


def _findings(url: str | None, data_dir: Path, instances: Sequence[str]) -> "list[Finding]":
    """All that is found; `url` is that of the database of `dev`, if that is meant.

    Raises:
        SettingsError: a setting is missing or wrong.
    """
    from wutang_auth.service.doctor import check_instance, check_key_file, check_settings

    given: dict[str, Any] = {} if url is None else {"database_url": url}
    of_dev = {} if url is None else {"keys_file": data_dir / "keys.json", **mail_defaults(data_dir, DEV_URL)}
    warnings = settings_module.name_warnings(Settings)
    settings = settings_module.load(Settings, defaults=of_dev, **given)
    way = settings_module.load(DatabaseSettings, defaults=COMMAND_LIMITS, **given)
    skew = timedelta(seconds=settings.clock_skew)
    ring, of_keys = check_key_file(
        settings.keys_file, longest_ttl=timedelta(seconds=settings.refresh_ttl), now=datetime.now(UTC)
    )
    return [
        *check_settings(settings, settings.model_fields_set, warnings),
        *of_keys,
        *(finding for base in instances for finding in check_instance(base.rstrip("/"), ring, skew=skew)),
        *_of_database(settings, way),
    ]


def _of_database(settings: Settings, way: DatabaseSettings) -> "list[Finding]":
    """What is found there; `way` is the same database, with the time limits of a command."""
    from wutang_auth.service.doctor import Examination, wrong

    async def work(database: Database) -> "list[Finding]":
        return await Examination(database, settings, connections=settings.db_pool_size + THROTTLE_CONNECTIONS).run()

    try:
        return run_with(way, work)
    except CommandError as error:
        return [wrong("server", str(error))]


def _print(found: "Sequence[Finding]") -> None:
    width = max(len(finding.check) for finding in found) + 2
    for finding in found:
        say(f"{_MARKS[finding.verdict]} {finding.check:<{width}}{finding.says}")
        if finding.remedy is not None:
            say(f"{'':<{width + 2}}→ {finding.remedy}")
    number = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in _MARKS}
    say(f"{number['well']} well, {number['look']} to look at, {number['wrong']} wrong")
