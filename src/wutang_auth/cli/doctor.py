"""`wutang-auth doctor`: one page of what is well and what is not, with what to do."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from wutang_auth.service.doctor import Examination, check_instance, check_key_file, check_settings, wrong

    try:
        with dev_database(data_dir) as url:
            given = {} if url is None else {"database_url": url}
            of_dev = {} if url is None else {"keys_file": data_dir / "keys.json", **mail_defaults(data_dir, DEV_URL)}
            warnings = settings_module.name_warnings(Settings)
            settings = settings_module.load(Settings, defaults=of_dev, **given)
            # the same way to the database, with the time limits of a command
            way = settings_module.load(DatabaseSettings, defaults=COMMAND_LIMITS, **given)
            found = check_settings(settings, settings.model_fields_set, warnings)
            ring, of_keys = check_key_file(
                settings.keys_file,
                longest_ttl=timedelta(seconds=max(settings.refresh_ttl, settings.access_ttl)),
                now=datetime.now(UTC),
            )
            found += of_keys
            for base in instances:
                found += check_instance(base.rstrip("/"), ring, skew=timedelta(seconds=settings.clock_skew))

            async def work(database: Database) -> "list[Finding]":
                connections = settings.db_pool_size + THROTTLE_CONNECTIONS
                return await Examination(database, settings, connections=connections).run()

            try:
                return found + run_with(way, work)
            except CommandError as error:
                return [*found, wrong("server", str(error))]
    except (SettingsError, CommandError) as error:
        return [wrong("settings", f"{error}; the rest was not looked at")]


def _print(found: "Sequence[Finding]") -> None:
    width = max(len(finding.check) for finding in found) + 2
    for finding in found:
        say(f"{_MARKS[finding.verdict]} {finding.check:<{width}}{finding.says}")
        if finding.remedy is not None:
            say(f"{'':<{width + 2}}→ {finding.remedy}")
    number = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in _MARKS}
    say(f"{number['well']} well, {number['look']} to look at, {number['wrong']} wrong")
